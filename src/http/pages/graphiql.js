// Asks with the token of the field above. Neither it nor a query is kept in the browser.
const token = document.getElementById('token');
const kept = new Map();
const storage = {
  getItem: (key) => kept.get(key) ?? null,
  setItem: (key, value) => kept.set(key, value),
  removeItem: (key) => kept.delete(key),
  clear: () => kept.clear(),
  get length() { return kept.size; },
};

async function ask(asked) {
  const answer = await fetch(settings.endpoint, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Authorization: 'Bearer ' + token.value.trim() },
    body: JSON.stringify(asked),
  });
  return answer.json();
}

let root;
let opened = 0;
document.getElementById('sign-in').addEventListener('submit', (event) => {
  event.preventDefault();
  root ??= ReactDOM.createRoot(document.getElementById('ui'));
  // With another token there may be another schema: the whole is opened anew.
  root.render(React.createElement(GraphiQL, {
    key: ++opened, fetcher: ask, storage, isHeadersEditorEnabled: false, defaultQuery: '{ me { username role } }',
  }));
});
