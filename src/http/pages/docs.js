// Shows one of the documents; the choice is kept in the address.
const choice = document.getElementById('document');
for (const name of settings.documents) {
  choice.add(new Option(name + ' API', name));
}
const wanted = new URLSearchParams(location.search).get('document');
if (settings.documents.includes(wanted)) choice.value = wanted;

if (settings.graphiql) {
  const link = document.createElement('a');
  link.href = '/docs/graphiql/';
  link.textContent = 'GraphQL';
  document.querySelector('header strong').after(link);
}

function show() {
  const ui = SwaggerUIBundle({
    dom_id: '#ui',
    url: '/docs/' + choice.value + '.json',
    oauth2RedirectUrl: location.origin + '/docs/oauth-receiver.html',
    deepLinking: true,
    tryItOutEnabled: true,
    validatorUrl: null,
    persistAuthorization: false,
  });
  ui.initOAuth({ clientId: settings.clientId, scopes: 'openid', usePkceWithAuthorizationCodeGrant: true });
}
choice.addEventListener('change', () => {
  history.replaceState(null, '', '?document=' + choice.value);
  show();
});
show();
