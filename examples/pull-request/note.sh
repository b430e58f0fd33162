#!/usr/bin/env bash
# note.sh FILE: the one note of holdfast on a merge request says what FILE holds; it is made, or the one that is there is changed.
#
# CI_API_V4_URL, CI_PROJECT_ID and CI_MERGE_REQUEST_IID are the pipeline's; NOTES_TOKEN is a token of the project.
set -euo pipefail
mark='<!-- holdfast -->'
notes=$CI_API_V4_URL/projects/$CI_PROJECT_ID/merge_requests/$CI_MERGE_REQUEST_IID/notes

api() { # METHOD URL [BODY]: the token goes by a file, so that no list of processes shows it
    local again=()
    # What was posted must not be posted twice.
    [ "$1" = POST ] || again=(--retry 3)
    curl --silent --show-error --fail-with-body "${again[@]}" --config <(printf 'header = "PRIVATE-TOKEN: %s"\n' "$NOTES_TOKEN") \
        --header 'Content-Type: application/json' --request "$1" "$2" "${@:3}"
}

# Ours begins with the mark, and the token's own user wrote it: anybody can write the mark.
me=$(api GET "$CI_API_V4_URL/user" | jq -r .id)
found='' page=1
while [ -z "$found" ]; do
    some=$(api GET "$notes?per_page=100&page=$page")
    found=$(jq -r --arg mark "$mark" --argjson me "$me" '[.[] | select(.author.id == $me and (.body | startswith($mark))) | .id][0] // empty' <<<"$some")
    [ "$(jq length <<<"$some")" = 100 ] || break
    page=$((page + 1))
done

body=$(mktemp)
trap 'rm -f "$body"' EXIT
{ printf '%s\n\n' "$mark"; cat "$1"; } | jq -Rs '{body: .}' >"$body"
if [ -n "$found" ]; then
    api PUT "$notes/$found" --data-binary "@$body" >/dev/null
else
    api POST "$notes" --data-binary "@$body" >/dev/null
fi
