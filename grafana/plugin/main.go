// Command plugin is the back end of a Grafana data source that streams colours as they arrive.
// Grafana starts it and talks to it over gRPC; nobody else does.
//
//	settings.go  what a data source is set to
//	source.go    one data source
//	query.go     queries that do not stream
//	stream.go    streams
//	health.go    the button "Save & test"
//	web/         plugin.json and the front end
//
// channel says what a panel can ask for, redis receives, live computes, and frame draws up.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/backend/datasource"
	"github.com/grafana/grafana-plugin-sdk-go/backend/instancemgmt"
	"github.com/redis/go-redis/v9/logging"
)

// pluginID is also in web/plugin.json.
const pluginID = "colorstream-live-datasource"

func main() {
	logging.Disable()        // go-redis would print each attempt to connect
	log := newLog(os.Stderr) // before the SDK takes standard error away
	instance := func(_ context.Context,
		from backend.DataSourceInstanceSettings,
	) (instancemgmt.Instance, error) {
		return open(log.With("dsUid", from.UID), from)
	}
	if err := datasource.Manage(pluginID, instance, datasource.ManageOpts{}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
