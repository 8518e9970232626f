// Stands in for what Grafana gives a plugin: a loader of AMD modules, React itself, and the few parts of Grafana's
// packages that the front end uses, as plain elements.
'use strict';

// React's packages are CommonJS; each file is one function.
function commonJS(files) {
  const loaded = {};
  const require = (name) => {
    if (!loaded[name]) {
      if (!(name in files)) throw new Error('no package ' + name);
      const module = { exports: {} };
      loaded[name] = module;
      new Function('require', 'module', 'exports', 'process', files[name])(require, module, module.exports, {
        env: { NODE_ENV: 'development' },
      });
    }
    return loaded[name].exports;
  };
  return require;
}

function grafana(React, seen) {
  const h = React.createElement;
  class DataSourcePlugin {
    constructor(DataSourceClass) {
      this.DataSourceClass = DataSourceClass;
      this.components = {};
    }
    setConfigEditor(c) {
      this.components.ConfigEditor = c;
      return this;
    }
    setQueryEditor(c) {
      this.components.QueryEditor = c;
      return this;
    }
  }
  // Grafana 9.4 exports a Proxy of a class.
  class Backend {
    constructor(settings) {
      this.uid = settings.uid;
    }
    query(request) {
      seen.push(request);
      return 'asked';
    }
  }
  const DataSourceWithBackend = new Proxy(Backend, {});
  const variables = { color: 'red', several: ['blue', 'green'] };
  const getTemplateSrv = () => ({
    replace: (text, scoped, format) =>
      String(text).replace(/\$(\w+)/g, (all, name) => {
        const value = (scoped && scoped[name] && scoped[name].value) || variables[name];
        if (value === undefined) return all;
        return typeof format === 'function' ? format(value) : String(value);
      }),
  });
  const ui = {
    FieldSet: (p) => h('fieldset', { 'data-label': p.label }, p.children),
    InlineFieldRow: (p) => h('div', null, p.children),
    InlineField: (p) =>
      h('div', { 'data-field': p.label, 'data-invalid': p.invalid ? 'yes' : 'no' }, p.label, p.children, p.error || null),
    Input: ({ width, ...p }) => h('input', p),
    SecretInput: ({ isConfigured, onReset, width, ...p }) =>
      isConfigured ? h('button', { onClick: onReset }, 'Reset') : h('input', { type: 'password', ...p }),
    SecretTextArea: ({ isConfigured, onReset, ...p }) => (isConfigured ? h('button', { onClick: onReset }, 'Reset') : h('textarea', p)),
    RadioButtonGroup: (p) =>
      h(
        'div',
        null,
        p.options.map((o) =>
          h('button', { key: o.value, 'aria-pressed': o.value === p.value, disabled: p.disabled, onClick: () => p.onChange(o.value) }, o.label)
        )
      ),
    InlineSwitch: (p) => h('input', { type: 'checkbox', checked: p.value, disabled: p.disabled, onChange: p.onChange }),
    TagsInput: (p) =>
      h('input', {
        value: p.tags.join(','),
        placeholder: p.placeholder,
        onChange: (e) => p.onChange(e.currentTarget.value.split(',')),
      }),
  };
  // What is used and is not here is a mistake in the front end, or in this file.
  const strict = (name, object) =>
    new Proxy(object, {
      get(target, key) {
        if (!(key in target)) throw new Error(name + ' has no ' + String(key));
        return target[key];
      },
    });
  return {
    '@grafana/data': strict('@grafana/data', { DataSourcePlugin }),
    '@grafana/runtime': strict('@grafana/runtime', { DataSourceWithBackend, getTemplateSrv }),
    '@grafana/ui': strict('@grafana/ui', ui),
    react: React,
  };
}
