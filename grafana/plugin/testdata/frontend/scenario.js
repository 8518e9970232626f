// Loads the front end and uses it as Grafana and a person do. What is wrong is listed in result.problems.
'use strict';

async function scenario(packages, moduleText) {
  const problems = [];
  const check = (ok, what) => ok || problems.push(what);
  const same = (got, want, what) => check(JSON.stringify(got) === JSON.stringify(want), what + ': ' + JSON.stringify(got));
  for (const level of ['error', 'warn']) {
    console[level] = (...args) => problems.push('console: ' + args.map(String).join(' '));
  }

  const require = commonJS(packages);
  const React = require('react');
  const seen = [];
  const modules = grafana(React, seen);
  let loaded;
  new Function('define', moduleText)((names, make) => {
    loaded = make(...names.map((n) => modules[n] || problems.push('it wants ' + n)));
  });
  const plugin = loaded.plugin;

  // The data source.
  const Source = plugin.DataSourceClass;
  check(Source.length === 1, 'the constructor takes ' + Source.length + ' arguments: Grafana 9.4 wants 1');
  const source = new Source({ uid: 'u' });
  check(source instanceof modules['@grafana/runtime'].DataSourceWithBackend, 'it is not a source with a back end');
  const ask = (request, target) => {
    check(source.query({ range: { raw: {} }, targets: [{ refId: 'A', ...target }], ...request }) === 'asked', 'the query goes elsewhere');
    return seen.pop().targets[0].live;
  };
  same(ask({ rangeRaw: { from: 'now-5m', to: 'now' } }), true, 'a panel that follows the time');
  same(ask({ range: { raw: { from: 'now-5m', to: 'now' } } }), true, 'where the range is elsewhere');
  same(ask({ rangeRaw: { from: 'now-5m', to: 'now-1m' } }), false, 'a panel of the past');
  same(ask({ rangeRaw: { to: 'now' }, app: 'explore' }), false, 'Explore');
  same(ask({ rangeRaw: { to: 'now' } }, { streaming: false }), false, 'streaming switched off');
  same(ask({}), false, 'no range');
  const options = source.streamOptionsProvider({ range: { from: 1000, to: 61000 } });
  same(options, { maxLength: 3000, action: 'append', maxDelta: 60000 }, 'options of the stream');
  same(source.filterQuery({ hide: true }), false, 'a hidden query');
  same(source.getDefaultQuery().stream, 'windows', 'a new query');
  same(
    source.applyTemplateVariables({ colors: ['plain', '$color', '$several', 'dark $color', '$scoped'] }, { scoped: { value: 'x' } }).colors,
    ['plain', 'red', 'blue', 'green', 'dark red', 'x'],
    'variables'
  );
  same(source.applyTemplateVariables({ statistic: '$color' }, {}).statistic, 'red', 'a variable as the statistic');
  same(source.statistics, ['mean', 'median', 'min', 'max'], 'the statistics');
  const other = new Source({ uid: 'v', jsonData: { statistics: 'p99.9, stddev' } });

  // The editors. React 17 renders one way, 19 another.
  const render = (component, where) => {
    const element = document.getElementById(where);
    const dom = require('react-dom');
    if (dom.render) {
      return (props) => dom.render(React.createElement(component, props), element);
    }
    const root = require('react-dom/client').createRoot(element);
    return (props) => dom.flushSync(() => root.render(React.createElement(component, props)));
  };
  const type = (element, text) => {
    const proto = element.tagName === 'TEXTAREA' ? HTMLTextAreaElement.prototype : HTMLInputElement.prototype;
    Object.getOwnPropertyDescriptor(proto, 'value').set.call(element, text);
    element.dispatchEvent(new Event('input', { bubbles: true }));
  };
  const field = (where, label) => document.querySelector('#' + where + ' [data-field="' + label + '"]');
  const press = (where, label, text) =>
    Array.from(field(where, label).querySelectorAll('button'))
      .find((b) => b.textContent === text)
      .click();

  let query = { refId: 'A' };
  let runs = 0;
  const showQuery = render(plugin.components.QueryEditor, 'query');
  const drawQuery = () =>
    showQuery({
      datasource: other,
      query,
      onChange: (q) => {
        query = q;
        drawQuery();
      },
      onRunQuery: () => runs++,
    });
  drawQuery();
  check(field('query', 'Statistic') && field('query', 'Show'), 'a new query shows no statistics');
  press('query', 'Statistic', 'Mean'); // it is not computed, but was chosen
  press('query', 'Statistic', 'P99.9');
  press('query', 'Show', 'Closed');
  type(field('query', 'Colours').querySelector('input'), 'red,blue');
  field('query', 'Streaming').querySelector('input').click();
  same(
    query,
    { stream: 'windows', show: 'closed', statistic: 'p99.9', colors: ['red', 'blue'], streaming: false, refId: 'A' },
    'the edited query'
  );
  press('query', 'Stream', 'Messages');
  check(query.stream === 'messages' && !field('query', 'Statistic') && !field('query', 'Show'), 'messages have no statistics');
  same(runs, 6, 'runs');

  let settings = { url: '', jsonData: {}, secureJsonFields: {}, secureJsonData: {} };
  const showConfig = render(plugin.components.ConfigEditor, 'config');
  const drawConfig = () =>
    showConfig({
      options: settings,
      onOptionsChange: (o) => {
        settings = o;
        drawConfig();
      },
    });
  drawConfig();
  const input = (label) => field('config', label).querySelector('input, textarea');
  type(input('URL'), 'redis://:secret@host:6379');
  check(field('config', 'URL').dataset.invalid === 'yes', 'a password in the URL is no problem');
  check(!field('config', 'CA certificate'), 'TLS without rediss');
  type(input('URL'), 'rediss://user@host:6379');
  check(field('config', 'URL').dataset.invalid === 'no', 'a user in the URL is a problem');
  type(input('Password'), 'secret');
  press('config', 'Transport', 'Stream');
  type(input('Channel'), 'hues');
  type(input('Window'), '10s');
  type(input('Lateness'), '1s');
  type(input('Statistics'), 'p95');
  type(input('CA certificate'), 'PEM');
  field('config', 'Skip verification').querySelector('input').click();
  same(
    settings,
    {
      url: 'rediss://user@host:6379',
      jsonData: { transport: 'stream', channel: 'hues', window: '10s', lateness: '1s', statistics: 'p95', tlsSkipVerify: true },
      secureJsonFields: {},
      secureJsonData: { password: 'secret', tlsCACert: 'PEM' },
    },
    'the edited settings'
  );
  settings = { ...settings, secureJsonFields: { password: true, url: true }, secureJsonData: {} };
  drawConfig();
  check(input('URL').placeholder === 'set by provisioning', 'a provisioned URL is not said to be');
  press('config', 'Password', 'Reset');
  same(settings.secureJsonFields.password, false, 'a reset password');
  settings = { ...settings, readOnly: true };
  drawConfig();
  check(input('Channel').disabled && input('Password').disabled, 'provisioned settings can be edited');

  return { react: React.version, problems };
}
