// Hands the answer of the issuer to the page that opened this window (protocol of Swagger UI's OAuth redirect).
'use strict';
(function () {
  const flow = window.opener && window.opener.swaggerUIRedirectOauth2;
  const message = document.getElementById('message');
  if (!flow) {
    message.textContent = 'Open the documentation page and press Authorize there.';
    return;
  }
  const answer = new URLSearchParams(location.search);
  const valid = answer.get('state') === flow.state;
  if (!valid) {
    flow.errCb({ authId: flow.auth.name, source: 'auth', level: 'error', message: 'The answer does not belong to this sign-in; try again.' });
  } else if (answer.get('code')) {
    delete flow.auth.state;
    flow.auth.code = answer.get('code');
    flow.callback({ auth: flow.auth, redirectUrl: flow.redirectUrl });
  } else {
    const reason = answer.get('error_description') || answer.get('error') || 'no code was given';
    flow.errCb({ authId: flow.auth.name, source: 'auth', level: 'error', message: reason });
  }
  window.close();
})();
