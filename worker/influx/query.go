package influx

import (
	"context"
	"fmt"
	"net/http"

	influxdb2 "github.com/influxdata/influxdb-client-go/v2"
	"github.com/influxdata/influxdb-client-go/v2/api/query"
)

// Query runs Flux and calls each with every record of the answer. The client's token must permit to
// read. An answer may take as long, and be as long, as it will.
func (c *Client) Query(ctx context.Context, flux string, each func(*query.FluxRecord)) error {
	options := influxdb2.DefaultOptions().SetLogLevel(0).SetHTTPClient(&http.Client{
		Transport: c.http.Transport.(limited).Transport, CheckRedirect: c.http.CheckRedirect,
	})
	client := influxdb2.NewClientWithOptions(c.config.URL, c.config.Token, options)
	result, err := client.QueryAPI(c.config.Org).Query(ctx, flux)
	if err == nil {
		for result.Next() {
			each(result.Record())
		}
		err = result.Err()
	}
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return fmt.Errorf("query InfluxDB at %s: %w", c.address, err)
	}
	return nil
}
