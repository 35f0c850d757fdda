// The interface to try: a form for every operation in openapi.json, and what it answers.

const list = document.getElementById('operations');

/**
 * What this page reads of openapi.json.
 * @typedef {{name: string, required?: boolean, description?: string, example?: string | number,
 *   schema: {enum?: string[], pattern?: string}}} Parameter
 * @typedef {{summary: string, parameters?: Parameter[], requestBody?: {content: Record<string, {example: unknown}>}}} Operation
 */

/**
 * An element with properties of its own, and what is in it.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} name
 * @param {Partial<HTMLElementTagNameMap[Tag]>} [properties]
 * @param {(Node | string)[]} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
const element = (name, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
};

/**
 * An input for a parameter; empty ones are left out of the request.
 * @param {Parameter} parameter
 */
function field(parameter) {
  const { schema } = parameter;
  const input = schema.enum
    ? element('select', {}, element('option', { value: '', textContent: '' }), ...schema.enum.map((value) => element('option', { value, textContent: value })))
    : element('input', { type: 'text', placeholder: String(parameter.example ?? '') });
  input.name = parameter.name;
  if (parameter.required) {
    input.required = true;
    input.value = String(parameter.example);
  }
  input.title = parameter.description ?? schema.pattern ?? '';
  return element('label', {}, parameter.name, input);
}

/**
 * The address, and for POST the body, that a filled form means.
 * @param {string} path
 * @param {string} method
 * @param {HTMLFormElement} form
 * @returns {[string, RequestInit]}
 */
function request(path, method, form) {
  const values = new FormData(form);
  if (method === 'post') {
    return [path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: String(values.get('body')) }];
  }
  const address = path.replace('{file}', encodeURIComponent(String(values.get('file') ?? '')).replaceAll('%2C', ','));
  const query = new URLSearchParams();
  for (const [name, value] of values) if (name !== 'file' && value !== '') query.append(name, String(value));
  return [String(query) ? `${address}?${query}` : address, {}];
}

/**
 * Shows an answer: pictures as pictures, text as text, archives as links.
 * @param {HTMLOutputElement} output
 * @param {string} address
 * @param {RequestInit} options
 */
async function show(output, address, options) {
  output.replaceChildren('…');
  const start = performance.now();
  const response = await fetch(address, options).catch(() => null);
  if (!response) {
    output.replaceChildren('The service does not answer.');
    return;
  }
  const blob = await response.blob();
  const facts = `${response.status} · ${blob.type || 'no body'} · ${blob.size} bytes · ${Math.round(performance.now() - start)} ms`;
  /** @type {HTMLElement[]} */
  const parts = [element('p', {}, element('code', { textContent: new URL(address, location.href).href })), element('p', { textContent: facts })];
  if (blob.type.startsWith('image/')) {
    const image = element('img', { src: URL.createObjectURL(blob), alt: `What ${address} gives` });
    image.onload = () => URL.revokeObjectURL(image.src);
    parts.push(image);
  } else if (blob.type.includes('json')) {
    parts.push(element('pre', { textContent: JSON.stringify(JSON.parse(await blob.text()), null, 2) }));
  } else if (!options.method) {
    parts.push(element('a', { href: address, textContent: 'download' }));
  }
  output.replaceChildren(...parts);
}

/**
 * An operation's form, folded.
 * @param {string} path
 * @param {string} method
 * @param {Operation} operation
 */
function section(path, method, operation) {
  const output = element('output');
  const form = element('form', {}, ...(operation.parameters ?? []).map(field));
  const body = operation.requestBody?.content['application/json'];
  if (body) {
    const text = element('textarea', { name: 'body', rows: 6, value: JSON.stringify(body.example, null, 2) });
    form.append(element('label', { className: 'wide' }, 'body', text));
  }
  form.append(element('button', { textContent: 'Try it' }));
  form.onsubmit = (event) => {
    event.preventDefault();
    show(output, ...request(path, method, form));
  };
  const head = element('summary', {}, element('code', { textContent: `${method.toUpperCase()} ${path}` }), operation.summary);
  return element('details', {}, head, form, output);
}

/** @type {{paths: Record<string, Record<string, Operation>>}} */
const description = await (await fetch('/api/v1/openapi.json')).json();
for (const [path, methods] of Object.entries(description.paths)) {
  for (const [method, operation] of Object.entries(methods)) list.append(section(path, method, operation));
}
