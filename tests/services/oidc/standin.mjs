// A STAND-IN for Keycloak, not Keycloak: code flow, PKCE, refresh and client credentials are the certified library
// oidc-provider; Keycloak's addresses, introspection, Admin REST and token exchange are our reading of Keycloak's
// documents (Admin REST API reference, Server Administration, Securing applications), held against 26.7.3.
import { createRequire } from 'node:module';
import { createHash, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const library = createRequire(process.env.CV3_LIBRARY + '/package.json');
const load = async (name) => import(pathToFileURL(library.resolve(name)).href);
const { default: Provider } = await load('oidc-provider');
const jose = await load('jose');

const port = Number(process.env.CV3_PORT);
const base = `http://127.0.0.1:${port}`;
const realm = JSON.parse(readFileSync(process.env.CV3_REALM, 'utf8'));
const prefix = `/realms/${realm.realm}`;
const issuer = base + prefix;
const oidc = '/protocol/openid-connect';

// The id of the user behind a client.
const behind = (clientId) => `00000000-0000-4000-9000-${createHash('sha256').update(clientId).digest('hex').slice(0, 12)}`;

// --- what is kept -----------------------------------------------------------------------------------------------
const users = new Map(); // id -> {representation, password, temporary}
const clients = new Map(realm.clients.map((c) => [c.clientId, { id: randomUUID(), ...c }]));
const ended = new Set(); // jti of tokens that were made void
const service = realm.users.find((u) => u.serviceAccountClientId);
for (const user of realm.users.filter((u) => !u.serviceAccountClientId)) {
  const id = randomUUID();
  const { credentials, ...shown } = user;
  users.set(id, { shown: { id, emailVerified: false, requiredActions: [], ...shown }, password: credentials?.[0]?.value });
}
let keys = [];
async function newKey(alg = 'RS256') {
  const { privateKey } = await jose.generateKeyPair(alg, { extractable: true });
  const jwk = await jose.exportJWK(privateKey);
  keys = [{ ...jwk, alg, use: 'sig', kid: randomUUID() }, ...keys];
}

const same = (a, b) => (a ?? '').toLowerCase() === (b ?? '').toLowerCase();
const byLogin = (login) => [...users.values()].find((u) => same(u.shown.username, login) || same(u.shown.email, login));
const peopleClaims = (u) => ({
  preferred_username: u.shown.username, email: u.shown.email, given_name: u.shown.firstName,
  family_name: u.shown.lastName, affiliation: u.shown.attributes?.affiliation?.[0],
});
const audiences = (client) => (client?.protocolMappers ?? [])
  .filter((m) => m.protocolMapper === 'oidc-audience-mapper')
  .map((m) => m.config['included.client.audience']);

// What the library keeps, shared by the providers that follow one another when keys or clients change.
const kept_by_library = new Map();
class Adapter {
  constructor(name) { this.name = name; }
  key(id) { return `${this.name}:${id}`; }
  async upsert(id, payload, expiresIn) {
    kept_by_library.set(this.key(id), { payload, until: expiresIn ? Date.now() + expiresIn * 1000 : Infinity });
  }
  async find(id) {
    const found = kept_by_library.get(this.key(id));
    return found && found.until > Date.now() ? found.payload : undefined;
  }
  async findByUid(uid) {
    return [...kept_by_library.values()].find((k) => k.payload.kind === 'Session' && k.payload.uid === uid)?.payload;
  }
  async consume(id) { const found = await this.find(id); if (found) found.consumed = Math.floor(Date.now() / 1000); }
  async destroy(id) { kept_by_library.delete(this.key(id)); }
  async revokeByGrantId(grant) {
    for (const [key, { payload }] of kept_by_library) if (payload.grantId === grant) kept_by_library.delete(key);
  }
}

// --- the provider ------------------------------------------------------------------------------------------------
let provider;
function build() {
  provider = new Provider(issuer, {
    adapter: Adapter,
    clients: [...clients.values()].map((c) => ({
      client_id: c.clientId,
      client_secret: c.publicClient ? undefined : c.secret,
      token_endpoint_auth_method: c.publicClient ? 'none' : 'client_secret_basic',
      redirect_uris: c.standardFlowEnabled ? c.redirectUris : [],
      response_types: c.standardFlowEnabled ? ['code'] : [],
      grant_types: [...(c.standardFlowEnabled ? ['authorization_code', 'refresh_token'] : []),
        ...(c.serviceAccountsEnabled ? ['client_credentials'] : [])],
    })),
    jwks: { keys },
    cookies: { keys: ['not a secret: a stand-in for tests'] },
    pkce: { required: () => false },
    rotateRefreshToken: true,
    issueRefreshToken: async (ctx, client) => client.grantTypeAllowed('refresh_token'),
    ttl: { AccessToken: (ctx, token) => token.resourceServer?.accessTokenTTL ?? 300, ClientCredentials: 300, Session: 3600, Grant: 3600, Interaction: 3600, RefreshToken: 1800, IdToken: 300 },
    claims: { openid: ['sub'], profile: ['preferred_username', 'given_name', 'family_name'], email: ['email'] },
    scopes: ['openid', 'profile', 'email'],
    clientBasedCORS: () => false,
    findAccount: async (ctx, id) => users.has(id) ? { accountId: id, claims: async () => ({ sub: id, ...peopleClaims(users.get(id)) }) } : undefined,
    loadExistingGrant: async (ctx) => {
      const grant = new provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
      grant.addOIDCScope('openid profile email');
      grant.addResourceScope('urn:realm', 'profile email');
      await grant.save();
      return grant;
    },
    interactions: { url: (ctx, interaction) => `${prefix}/sign-in/${interaction.uid}` },
    extraTokenClaims: async (ctx, token) => {
      const client = clients.get(token.clientId);
      const account = token.accountId && users.get(token.accountId);
      const own = client?.clientId === service.serviceAccountClientId;
      const roles = Object.fromEntries(Object.entries(own ? service.clientRoles : {}).map(([name, list]) => [name, { roles: list }]));
      return {
        typ: 'Bearer', azp: token.clientId,
        ...(account ? peopleClaims(account) : { preferred_username: `service-account-${token.clientId}`, resource_access: roles }),
      };
    },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => 'urn:realm',
        useGrantedResource: () => true,
        getResourceServerInfo: (ctx, indicator, client) => ({
          scope: 'profile email', accessTokenFormat: 'jwt', jwt: { sign: { alg: clients.get(client.clientId)?.attributes?.['access.token.signed.response.alg'] ?? 'RS256' } },
          accessTokenTTL: Number(clients.get(client.clientId)?.attributes?.['access.token.lifespan'] ?? 300),
          audience: 'account',
        }),
      },
    },
    formats: {
      customizers: {
        jwt: async (ctx, token, jwt) => {
          const client = clients.get(token.clientId);
          jwt.payload.aud = [...audiences(client), 'account'];
          if (!token.accountId) jwt.payload.sub = behind(token.clientId);
          jwt.header = { ...jwt.header, typ: 'JWT' };
        },
      },
    },
    routes: {
      authorization: `${oidc}/auth`, token: `${oidc}/token`, jwks: `${oidc}/certs`, userinfo: `${oidc}/userinfo`,
      end_session: `${oidc}/logout`,
    },
    discovery: { introspection_endpoint: `${issuer}${oidc}/token/introspect` },
  });
  provider.on('server_error', (ctx, error) => console.error(error));
  provider.on('grant.error', (ctx, error) => console.error(error.error, error.error_detail ?? error.message));
}
for (const alg of ['ES256', 'PS256', 'RS256']) await newKey(alg);
build();

// --- helpers -----------------------------------------------------------------------------------------------------
const body = (req) => new Promise((done, fail) => {
  let text = '';
  req.on('data', (chunk) => { text += chunk; if (text.length > 1e6) fail(new Error('too large')); });
  req.on('end', () => done(text));
  req.on('error', fail);
});
const send = (res, status, value, headers = {}) => {
  const json = value === undefined ? '' : JSON.stringify(value);
  res.writeHead(status, { 'content-type': 'application/json', ...headers });
  res.end(json);
};
const page = (res, text) => { res.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }); res.end(text); };
const form = (action, id, fields) => `<!doctype html><title>Sign in</title><form id="${id}" action="${action}" method="post">${
  fields.map((f) => `<input name="${f}">`).join('')}<button>Go</button></form>`;

async function verified(token) {
  try {
    const local = jose.createLocalJWKSet({ keys: keys.map(({ kty, n, e, crv, x, y, kid, alg, use }) => ({ kty, n, e, crv, x, y, kid, alg, use })) });
    const { payload } = await jose.jwtVerify(token, local, { issuer });
    return ended.has(payload.jti) ? undefined : payload;
  } catch { return undefined; }
}
function clientOf(req, fields) {
  const basic = /^Basic (.+)$/i.exec(req.headers.authorization ?? '');
  const [id, secret] = basic
    ? Buffer.from(basic[1], 'base64').toString().split(':').map((part) => decodeURIComponent(part.replace(/\+/g, ' ')))
    : [fields.get('client_id'), fields.get('client_secret')];
  const client = clients.get(id);
  return client && !client.publicClient && client.secret === secret ? client : undefined;
}

// --- sign-in pages -------------------------------------------------------------------------------------------------
async function signIn(req, res, uid) {
  const action = `${prefix}/sign-in/${uid}`;
  const first = form(action, 'kc-form-login', ['username', 'password']);
  if (req.method !== 'POST') return page(res, first);
  const fields = new URLSearchParams(await body(req));
  const again = fields.get('pending') ?? undefined;
  const user = again ? users.get(again) : byLogin(fields.get('username'));
  const right = again ? user?.temporary : user && user.password && user.password === fields.get('password') && user.shown.enabled;
  if (!right) return page(res, first);
  if (user.temporary && !fields.get('password-new')) {
    return page(res, form(action, 'kc-passwd-update-form', ['password-new', 'password-confirm'])
      .replace('<button>', `<input type="hidden" name="pending" value="${user.shown.id}"><button>`));
  }
  if (user.temporary) {
    if (fields.get('password-new') !== fields.get('password-confirm')) return page(res, first);
    Object.assign(user, { password: fields.get('password-new'), temporary: false });
    user.shown.requiredActions = [];
  }
  return provider.interactionFinished(req, res, { login: { accountId: user.shown.id } }, { mergeWithLastSubmission: false });
}

// --- introspection (Keycloak: a client that is not among the audience hears that the token is inactive) ------------
async function introspect(req, res) {
  const fields = new URLSearchParams(await body(req));
  const client = clientOf(req, fields);
  if (!client) return send(res, 401, { error: 'invalid_client', error_description: 'Client authentication failed.' });
  const said = await verified(fields.get('token') ?? '');
  if (!said || !said.aud.includes(client.clientId)) return send(res, 200, { active: false });
  return send(res, 200, { ...said, username: said.preferred_username, token_type: 'Bearer', active: true, client_id: said.azp });
}

// --- token exchange (RFC 8693, Keycloak's standard token exchange) --------------------------------------------------
async function exchange(req, res, fields) {
  const client = clientOf(req, fields);
  if (!client) return send(res, 401, { error: 'unauthorized_client', error_description: 'Invalid client or Invalid client credentials' });
  if (client.attributes?.['standard.token.exchange.enabled'] !== 'true') {
    return send(res, 400, { error: 'invalid_request', error_description: 'Standard token exchange is not enabled for the requested client' });
  }
  const said = await verified(fields.get('subject_token') ?? '');
  if (!said) return send(res, 400, { error: 'invalid_request', error_description: 'Invalid token' });
  if (!audiences(client).includes(fields.get('audience'))) {
    return send(res, 400, { error: 'invalid_request', error_description: `Requested audience not available: ${fields.get('audience')}` });
  }
  const key = await jose.importJWK(keys[0], 'RS256');
  const token = await new jose.SignJWT({ ...said, aud: fields.get('audience'), azp: client.clientId, jti: randomUUID() })
    .setProtectedHeader({ alg: 'RS256', typ: 'JWT', kid: keys[0].kid }).sign(key);
  return send(res, 200, { access_token: token, token_type: 'Bearer', expires_in: 300, issued_token_type: 'urn:ietf:params:oauth:token-type:access_token' });
}

// --- Admin REST ------------------------------------------------------------------------------------------------------
const masterToken = randomUUID();
// The user behind our own client, which is in no list.
const own = { shown: { id: behind(service.serviceAccountClientId), username: service.username, serviceAccountClientId: service.serviceAccountClientId } };
const declared = ['affiliation', 'phone'];
function checked(shown) {
  const errors = [];
  if (shown.email && !/^[^@\s<>]+@[^@\s<>]+$/.test(shown.email)) errors.push({ field: 'email', errorMessage: 'error-invalid-email', params: ['email', shown.email] });
  if (!/^[a-z0-9._@+-]{3,255}$/i.test(shown.username ?? '')) errors.push({ field: 'username', errorMessage: 'error-username-invalid-character', params: ['username'] });
  return errors;
}
function taken(shown, own) {
  for (const other of users.values()) {
    if (other.shown.id === own) continue;
    if (same(other.shown.username, shown.username)) return 'User exists with same username';
    if (shown.email && same(other.shown.email, shown.email)) return 'User exists with same email';
  }
  return undefined;
}
// Attributes that the user profile does not declare are dropped without a word.
const kept = (attributes) => Object.fromEntries(Object.entries(attributes ?? {}).filter(([name]) => declared.includes(name)));

async function admin(req, res, path, query) {
  const token = /^Bearer (.+)$/.exec(req.headers.authorization ?? '')?.[1] ?? '';
  const said = token === masterToken ? undefined : await verified(token);
  if (token !== masterToken && !said) return send(res, 401, { error: 'HTTP 401 Unauthorized' });
  const roles = said?.resource_access?.['realm-management']?.roles ?? [];
  const needs = (role) => token === masterToken || roles.includes(role);
  const text = await body(req);
  const value = text ? JSON.parse(text) : undefined;
  const [, kind, id, action] = path.split('/');
  const forbidden = () => send(res, 403, { error: 'HTTP 403 Forbidden' });
  if (kind === 'users' && !id) {
    if (req.method === 'GET') {
      if (!needs('view-users')) return forbidden();
      const exact = query.get('exact') === 'true';
      const found = [...users.values()].map((u) => u.shown)
        .filter((u) => !query.get('email') || (exact ? same(u.email, query.get('email')) : (u.email ?? '').includes(query.get('email'))))
        .filter((u) => !query.get('username') || (exact ? same(u.username, query.get('username')) : u.username.includes(query.get('username'))))
        .sort((a, b) => (a.username < b.username ? -1 : 1));
      const first = Number(query.get('first') ?? 0);
      return send(res, 200, found.slice(first, first + Number(query.get('max') ?? 100)));
    }
    if (!needs('manage-users')) return forbidden();
    const errors = checked(value);
    if (errors.length) return send(res, 400, { errors });
    const conflict = taken(value);
    if (conflict) return send(res, 409, { errorMessage: conflict });
    const made = randomUUID();
    users.set(made, { shown: { requiredActions: [], ...value, id: made, username: value.username.toLowerCase(), email: value.email?.toLowerCase(), attributes: kept(value.attributes) } });
    return send(res, 201, undefined, { location: `${base}${req.originalUrl}/${made}` });
  }
  if (kind === 'users') {
    const user = users.get(decodeURIComponent(id)) ?? (id === own.shown.id ? own : undefined);
    if (!needs(req.method === 'GET' ? 'view-users' : 'manage-users')) return forbidden();
    if (!user) return send(res, 404, { error: 'User not found' });
    if (action === 'execute-actions-email') return send(res, 500, { errorMessage: 'Failed to send execute actions email: no mail is set up' });
    if (action === 'reset-password') {
      Object.assign(user, { password: value.value, temporary: value.temporary });
      user.shown.requiredActions = value.temporary ? ['UPDATE_PASSWORD'] : [];
      return send(res, 204);
    }
    if (req.method === 'GET') return send(res, 200, user.shown);
    if (req.method === 'DELETE') { users.delete(user.shown.id); return send(res, 204); }
    const next = { ...user.shown, ...value, id: user.shown.id, username: user.shown.username };
    if (value.attributes) next.attributes = kept(value.attributes);
    const errors = checked(next);
    if (errors.length) return send(res, 400, { errors });
    const conflict = taken(next, user.shown.id);
    if (conflict) return send(res, 409, { errorMessage: conflict });
    user.shown = next;
    return send(res, 204);
  }
  if (kind === 'clients') {
    if (!id && req.method === 'GET') {
      const found = [...clients.values()].filter((c) => !query.get('clientId') || c.clientId === query.get('clientId'));
      return send(res, 200, found.map(({ secret, ...shown }) => shown));
    }
    if (!needs('manage-clients') && !needs('create-client')) return forbidden();
    if (action === 'service-account-user') return send(res, 200, own.shown);
    if (!id) {
      if (clients.has(value.clientId)) return send(res, 409, { errorMessage: `Client ${value.clientId} already exists` });
      const made = { id: randomUUID(), secret: randomUUID(), ...value };
      clients.set(value.clientId, made);
      build();
      return send(res, 201, undefined, { location: `${base}${req.originalUrl}/${made.id}` });
    }
    const client = [...clients.values()].find((c) => c.id === id);
    if (!client) return send(res, 404, { error: 'Could not find client' });
    if (action === 'client-secret') return send(res, 200, { type: 'secret', value: client.secret });
    if (req.method === 'PUT') { Object.assign(client, value); build(); return send(res, 204); }
    clients.delete(client.clientId);
    build();
    return send(res, 204);
  }
  // Another signing key, the newest first.
  if (kind === 'components' && req.method === 'POST') { await newKey(); build(); return send(res, 201); }
  return send(res, 404, { error: 'HTTP 404 Not Found' });
}

// --- the server --------------------------------------------------------------------------------------------------------
createServer(async (req, res) => {
  try {
    const url = new URL(req.url, base);
    const path = url.pathname;
    req.originalUrl = path;
    if (path === '/realms/master/protocol/openid-connect/token') {
      const fields = new URLSearchParams(await body(req));
      const right = fields.get('username') === 'admin' && fields.get('password') === 'admin';
      return right ? send(res, 200, { access_token: masterToken, token_type: 'Bearer', expires_in: 60 }) : send(res, 401, { error: 'invalid_grant' });
    }
    if (path.startsWith(`/admin${prefix}/`)) return await admin(req, res, path.slice(`/admin${prefix}`.length), url.searchParams);
    if (!path.startsWith(`${prefix}/`)) return send(res, 404, { error: 'Realm does not exist' });
    const within = path.slice(prefix.length);
    const uid = /^\/sign-in\/([\w-]+)$/.exec(within)?.[1];
    if (uid) return await signIn(req, res, uid);
    if (within === `${oidc}/token/introspect` && req.method === 'POST') return await introspect(req, res);
    if (within === `${oidc}/token` && req.method === 'POST') {
      // Looked at before the library reads it; handed on as a body that is read already.
      const text = await body(req);
      const fields = new URLSearchParams(text);
      if (fields.get('grant_type') === 'urn:ietf:params:oauth:grant-type:token-exchange') return await exchange(req, res, fields);
      req.body = Object.fromEntries(fields);
    }
    req.originalUrl = req.url;
    req.url = req.url.slice(prefix.length);
    return await provider.callback()(req, res);
  } catch (error) {
    console.error(error);
    return send(res, 500, { error: 'server_error' });
  }
}).listen(port, '127.0.0.1', () => console.log(`stand-in for Keycloak at ${issuer}`));
