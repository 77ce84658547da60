#!/usr/bin/env bash
# An administrator's first hour, with curl alone: set up, sign in, make a user and a group, approve a request for
# access, upload a description of data, let strangers find it, and stop letting them.
#
#   docs/administrator.sh ADDRESS SETUP-CODE-FILE      e.g. http://127.0.0.1:5080 cv3-data/setup-code
#
# It wants a fresh installation. docs/administrator.md is what it printed.
set -euo pipefail

base=$1 code_file=$2
password='a password for this walk'
browser=$(mktemp)
trap 'rm -f "$browser"' EXIT

step() { printf '\n## %s\n\n' "$*"; }
field() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" | head -1; }
hidden() { sed -n "s/.*name=\"$1\" value=\"\([^\"]*\)\".*/\1/p" | head -1; }
# A page as a browser opens it, with its cookies.
page() { curl -sS -b "$browser" -c "$browser" "$@"; }
# Shows what is sent and what comes back; the answer is in $answer. Statuses that are not expected end the walk.
api() {
    local expected=$1 method=$2 path=$3 body=${4:-} status
    printf '    %s %s%s\n' "$method" "$path" "${body:+ $body}"
    local sent=(-sS -X "$method" -H 'Accept: application/json' -w '\n%{http_code}')
    [[ -z ${token:-} ]] || sent+=(-H "Authorization: Bearer $token")
    [[ -z $body ]] || sent+=(-H 'Content-Type: application/json' -d "$body")
    answer=$(curl "${sent[@]}" "$base$path")
    status=${answer##*$'\n'} answer=${answer%$'\n'*}
    printf '    %s %s\n' "$status" "$answer"
    [[ $status == "$expected" ]] || { printf 'expected %s\n' "$expected" >&2; exit 1; }
}
# Signs in by code flow with PKCE (RFC 7636), choosing a password where the first one was for one time only; the token is
# in $token.
sign_in() {
    local login=$1 given=$2 verifier challenge url csrf pending to code
    : >"$browser"
    verifier=$(head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n')
    challenge=$(printf %s "$verifier" | openssl dgst -sha256 -binary | base64 | tr '+/' '-_' | tr -d '=\n')
    url="$base/realms/cafe_variome/protocol/openid-connect/auth?client_id=cafevariome&response_type=code&scope=openid"
    url+="&redirect_uri=$base/callback.html&code_challenge=$challenge&code_challenge_method=S256&state=walk"
    csrf=$(page "$url" | hidden csrf)
    to=$(page -D - --data-urlencode "csrf=$csrf" --data-urlencode "login=$login" --data-urlencode "password=$given" "$url")
    pending=$(hidden pending <<<"$to")
    if [[ -n $pending ]]; then
        csrf=$(hidden csrf <<<"$to")
        to=$(page -D - --data-urlencode "csrf=$csrf" --data-urlencode "pending=$pending" \
            --data-urlencode "password=$password" --data-urlencode "again=$password" "$url")
    fi
    code=$(sed -n 's/^[Ll]ocation: .*[?&]code=\([^&[:space:]]*\).*/\1/p' <<<"$to")
    token=$(curl -sS -H 'Content-Type: application/json' "$base/api/auth/token" -d '{"grant_type": "authorization_code",
        "code": "'"$code"'", "redirect_uri": "'"$base"'/callback.html", "code_verifier": "'"$verifier"'"}' | field access_token)
    [[ -n $token ]] || { echo "signing in as $login failed" >&2; exit 1; }
    printf '    signed in as %s\n' "$login"
}

step 'Before there is an account'
token=''
api 503 GET /api/sources/

step 'The first account, with the code of the data folder'
csrf=$(page "$base/setup" | hidden csrf)
page -o /dev/null -w '    POST /setup\n    %{http_code}\n' "$base/setup" --data-urlencode "csrf=$csrf" \
    --data-urlencode "code=$(cat "$code_file")" --data-urlencode username=ada --data-urlencode email=ada@example.org \
    --data-urlencode firstName=Ada --data-urlencode lastName=Example --data-urlencode affiliation='Example Hospital' \
    --data-urlencode "password=$password" --data-urlencode "again=$password"
sign_in ada "$password"
ada=$token
api 200 GET /api/auth/user-info

step 'A user'
api 200 POST /api/users/ '{"email": "grace@example.org", "username": "grace", "firstName": "Grace", "lastName": "Example", "affiliation": "Example University"}'
grace=$(field id <<<"$answer") once=$(field oneTimePassword <<<"$answer")
sign_in grace "$once"
api 403 GET /api/users/
token=$ada

step 'A source, and a discovery group that lets her count in it'
api 200 POST /api/sources/ '{"sourceName": "clinic", "displayName": "Rare diseases clinic", "owner": "Example Hospital", "ownerEmail": "data@example.org"}'
source=$(field id <<<"$answer")
api 200 GET /api/networks/
network=$(field networkId <<<"$answer")
api 200 POST /api/groups/ '{"groupName": "Researchers", "groupDescription": "", "networkId": "'"$network"'", "discoveryPolicy": "count", "assignedUsers": ["'"$grace"'"], "assignedSources": ["'"$source"'"]}'

step 'A stranger asks for access and gets it'
token=''
api 200 POST /api/access-requests/ '{"firstName": "Jane", "lastName": "Doe", "email": "jane@example.org", "affiliation": "Example Registry", "justification": "We look for patients like ours"}'
token=$ada
api 200 GET /api/access-requests/
request=$(field requestId <<<"$answer")
api 200 POST "/api/access-requests/$request/approve"
sign_in jane@example.org "$(field oneTimePassword <<<"$answer")"
api 200 GET /api/auth/user-info
token=$ada

step 'A description of data'
api 200 POST /api/meta/sources/upload '[{"sourceName": "Walking study", "sourceType": "cohort", "publisher": {"publisherType": "organization", "name": "Example University", "contactEmail": "data@example.org", "contactName": "", "url": "https://www.example.org", "location": "Leicester"}, "description": "Gait of people with early symptoms", "language": "en", "cohortDetails": {"siteType": "multiSite", "country": "GB", "yearStart": 2023, "centerName": "", "ongoing": true}}]'
api 200 GET /api/meta/index

step 'Strangers find it while anonymous access is on'
api 200 POST /api/config/global '{"federationSettings": {"anonymousAccess": true}}'
token=''
api 200 POST /query/meta/query '{}'
token=$ada
api 200 POST /api/config/global '{"federationSettings": {"anonymousAccess": false}}'
token=''
api 401 POST /query/meta/query '{}'

step 'A forged token is refused'
token=forged
api 401 GET /api/sources/
