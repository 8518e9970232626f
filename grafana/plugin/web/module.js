// The front end of the data source, as Grafana loads it: an AMD module, written by hand, that no build step touches.
// It uses what Grafana 9.4 (React 17) and Grafana 13 (React 19) both have, and nothing of JSX's runtime.
define(['@grafana/data', '@grafana/runtime', '@grafana/ui', 'react'], function (data, runtime, ui, React) {
  'use strict';

  const h = React.createElement;

  // How many rows the browser keeps of a stream. The back end begins a stream with at most as many.
  const MAX_ROWS = 3000;

  const STANDARD = 'mean,median,min,max';
  const DEFAULTS = { stream: 'windows', show: 'running', statistic: 'mean', colors: [], streaming: true };

  // Panels stream when they follow the time; what looks at the past, and Explore, asks once.
  function streams(request, target) {
    const raw = request.rangeRaw || (request.range && request.range.raw);
    return target.streaming !== false && request.app !== 'explore' && Boolean(raw) && raw.to === 'now';
  }

  class LiveSource extends runtime.DataSourceWithBackend {
    // Grafana 9.4 takes a class whose constructor does not have exactly one argument for an Angular plugin.
    constructor(instanceSettings) {
      super(instanceSettings);
      const json = instanceSettings.jsonData || {};
      this.statistics = (json.statistics || STANDARD).split(',').map((name) => name.trim());
      this.streamOptionsProvider = function (request) {
        const options = { maxLength: MAX_ROWS, action: 'append' };
        if (request.range) {
          options.maxDelta = request.range.to.valueOf() - request.range.from.valueOf();
        }
        return options;
      };
    }

    getDefaultQuery() {
      return { ...DEFAULTS };
    }

    filterQuery(target) {
      return !target.hide;
    }

    query(request) {
      const targets = request.targets.map((t) => ({ ...t, live: streams(request, t) }));
      return super.query({ ...request, targets });
    }

    // A variable of several values stands for several colours.
    applyTemplateVariables(target, scopedVars) {
      const colors = [];
      for (const color of target.colors || []) {
        let several = [];
        const text = runtime.getTemplateSrv().replace(color, scopedVars, function (value) {
          several = [].concat(value);
          return several.join(',');
        });
        const alone = several.length > 0 && text === several.join(',');
        colors.push(...(alone ? several : [text]));
      }
      const statistic = target.statistic && runtime.getTemplateSrv().replace(target.statistic, scopedVars);
      return { ...target, colors, statistic };
    }
  }

  const field = (label, tooltip, child, more) =>
    h(ui.InlineField, { label, tooltip, labelWidth: 16, ...more }, child);

  const choices = (...pairs) => pairs.map(([value, label, description]) => ({ value, label, description }));

  const STREAMS = choices(
    ['windows', 'Windows', 'Statistics of windows'],
    ['messages', 'Messages', 'Single messages, a sample of them if there are many'],
    ['rates', 'Rates', 'Messages a second']
  );
  const SHOWS = choices(
    ['running', 'Running', 'The open window as it grows'],
    ['closed', 'Closed', 'Windows as they are in InfluxDB']
  );

  function QueryEditor({ datasource, query, onChange, onRunQuery }) {
    const q = { ...DEFAULTS, ...query };
    const set = (change) => {
      onChange({ ...q, ...change });
      onRunQuery();
    };
    const radio = (name, options) =>
      h(ui.RadioButtonGroup, { options, value: q[name], onChange: (value) => set({ [name]: value }) });
    const windows = q.stream === 'windows';
    const names = new Set([...datasource.statistics, 'count', q.statistic]); // the last may be a variable
    const statistics = [...names].map((value) => ({ value, label: value[0].toUpperCase() + value.slice(1) }));
    return h(
      React.Fragment,
      null,
      h(
        ui.InlineFieldRow,
        null,
        field('Stream', 'What to watch', radio('stream', STREAMS)),
        windows && field('Show', 'The open window four times a second, or each window once it has closed', radio('show', SHOWS)),
        windows && field('Statistic', undefined, radio('statistic', statistics))
      ),
      h(
        ui.InlineFieldRow,
        null,
        field(
          'Colours',
          'Only these, in this order. None means all, at most 50.',
          h(ui.TagsInput, { tags: q.colors, onChange: (colors) => set({ colors }), placeholder: 'all colours', width: 40, addOnBlur: true })
        ),
        field(
          'Streaming',
          'Off: ask once at each refresh, as Explore and alert rules do',
          h(ui.InlineSwitch, { value: q.streaming !== false, onChange: (e) => set({ streaming: e.currentTarget.checked }) })
        )
      )
    );
  }

  function ConfigEditor({ options, onOptionsChange }) {
    const json = options.jsonData || {};
    const disabled = Boolean(options.readOnly);
    const secrets = options.secureJsonFields || {};
    const typed = options.secureJsonData || {};
    const setJSON = (change) => onOptionsChange({ ...options, jsonData: { ...json, ...change } });
    const text = (value, placeholder, onChange, more) =>
      h(ui.Input, { value: value || '', placeholder, disabled, width: 48, onChange: (e) => onChange(e.currentTarget.value), ...more });
    const secret = (name, component, more) =>
      h(component, {
        isConfigured: Boolean(secrets[name]),
        value: typed[name] || '',
        disabled,
        onChange: (e) => onOptionsChange({ ...options, secureJsonData: { ...typed, [name]: e.currentTarget.value } }),
        onReset: () =>
          onOptionsChange({
            ...options,
            secureJsonFields: { ...secrets, [name]: false },
            secureJsonData: { ...typed, [name]: '' },
          }),
        ...more,
      });
    const pem = (name, what) => secret(name, ui.SecretTextArea, { cols: 46, rows: 4, placeholder: '-----BEGIN ' + what + '-----' });

    const url = options.url || '';
    const tls = url.startsWith('rediss:');
    const open = /^[a-z]+:\/\/[^/@]*:[^/@]+@/.test(url);

    return h(
      React.Fragment,
      null,
      h(
        ui.FieldSet,
        { label: 'Redis' },
        field(
          'URL',
          'redis://[user@]host:6379/0, or rediss:// with TLS. Seen from the Grafana server.',
          text(secrets.url ? '' : url, secrets.url ? 'set by provisioning' : 'redis://localhost:6379/0', (v) => onOptionsChange({ ...options, url: v })),
          { invalid: open, error: open ? 'Everyone who may see this page would see the password: write it below instead.' : undefined }
        ),
        field('Password', 'Stored encrypted', secret('password', ui.SecretInput, { width: 48, placeholder: 'none' })),
        field(
          'Transport',
          'The same as REDIS_TRANSPORT of the generator and the worker',
          h(ui.RadioButtonGroup, {
            options: choices(['pubsub', 'Pub/Sub'], ['stream', 'Stream']),
            value: json.transport || 'pubsub',
            disabled,
            onChange: (transport) => setJSON({ transport }),
          })
        ),
        field('Channel', "Channels and patterns, between commas, or the stream's key", text(json.channel, 'colors', (channel) => setJSON({ channel })))
      ),
      h(
        ui.FieldSet,
        { label: 'Windows' },
        field('Window', 'The same as WORKER_WINDOW, so that closed windows are those in InfluxDB', text(json.window, '5s', (window) => setJSON({ window }))),
        field('Lateness', 'The same as WORKER_LATENESS', text(json.lateness, 'the window', (lateness) => setJSON({ lateness }))),
        field('Statistics', 'The same as WORKER_STATISTICS', text(json.statistics, STANDARD, (statistics) => setJSON({ statistics })))
      ),
      tls &&
        h(
          ui.FieldSet,
          { label: 'TLS' },
          field('CA certificate', "Of the authority that signed the server's certificate, if this machine does not know it", pem('tlsCACert', 'CERTIFICATE')),
          field('Client certificate', 'If the server wants one', pem('tlsClientCert', 'CERTIFICATE')),
          field('Client key', 'Stored encrypted', pem('tlsClientKey', 'PRIVATE KEY')),
          field(
            'Skip verification',
            'Trust any certificate: for tests only',
            h(ui.InlineSwitch, {
              value: Boolean(json.tlsSkipVerify),
              disabled,
              onChange: (e) => setJSON({ tlsSkipVerify: e.currentTarget.checked }),
            })
          )
        )
    );
  }

  const plugin = new data.DataSourcePlugin(LiveSource).setConfigEditor(ConfigEditor).setQueryEditor(QueryEditor);
  return { plugin };
});
