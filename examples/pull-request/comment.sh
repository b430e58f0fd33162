#!/usr/bin/env bash
# comment.sh FILE: the one comment of holdfast on a pull request says what FILE holds; it is made, or the one that is there is changed.
#
# GITHUB_API_URL, GITHUB_REPOSITORY and GITHUB_TOKEN are the workflow's; PULL_REQUEST is the number.
# COMMENTER is who the token speaks for, where it is not the workflow's own.
set -euo pipefail
mark='<!-- holdfast -->'
commenter=${COMMENTER:-github-actions[bot]}
comments=$GITHUB_API_URL/repos/$GITHUB_REPOSITORY/issues

api() { # METHOD URL [BODY]: the token goes by a file, so that no list of processes shows it
    local again=()
    # What was posted must not be posted twice.
    [ "$1" = POST ] || again=(--retry 3)
    curl --silent --show-error --fail-with-body "${again[@]}" --config <(printf 'header = "Authorization: Bearer %s"\n' "$GITHUB_TOKEN") \
        --header 'Accept: application/vnd.github+json' --request "$1" "$2" "${@:3}"
}

# Ours begins with the mark, and we wrote it: anybody can write the mark, other bots too.
found='' page=1
while [ -z "$found" ]; do
    some=$(api GET "$comments/$PULL_REQUEST/comments?per_page=100&page=$page")
    found=$(jq -r --arg mark "$mark" --arg by "$commenter" '[.[] | select(.user.login == $by and (.body | startswith($mark))) | .id][0] // empty' <<<"$some")
    [ "$(jq length <<<"$some")" = 100 ] || break
    page=$((page + 1))
done

body=$(mktemp)
trap 'rm -f "$body"' EXIT
{ printf '%s\n\n' "$mark"; cat "$1"; } | jq -Rs '{body: .}' >"$body"
if [ -n "$found" ]; then
    api PATCH "$comments/comments/$found" --data-binary "@$body" >/dev/null
else
    api POST "$comments/$PULL_REQUEST/comments" --data-binary "@$body" >/dev/null
fi
