//! What the REST protocols share: paths and query strings, percent-decoded.

use percent_encoding::percent_decode_str;

use crate::sandbox::call::Call;

/// The segments of the path, each decoded.
pub fn segments(call: &Call) -> Vec<String> {
    let path = call.path.trim_start_matches('/').trim_end_matches('/');
    if path.is_empty() {
        return Vec::new();
    }
    path.split('/').map(decode).collect()
}

/// The value of a query member; `Some("")` where it is named without one (`?policy`).
pub fn member(call: &Call, name: &str) -> Option<String> {
    form_urlencoded::parse(call.query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}
