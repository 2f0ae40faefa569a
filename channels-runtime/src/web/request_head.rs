//! The rules for the head of a request: headers that are lists, and headers that occur once.

use http::header::{ACCEPT, HOST};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::admission::is_host_and_port;

/// Returns whether a header that is a list contains this word. The list may be in several lines (RFC 9110, section 5.6.1).
pub(super) fn lists(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    members(headers, name).any(|member| member.eq_ignore_ascii_case(word))
}

fn members<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim)
}

/// Returns the value of a header that may occur once.
///
/// # Errors
/// If it occurs more than once.
pub(super) fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a HeaderValue>, String> {
    let mut lines = headers.get_all(name).iter();
    match (lines.next(), lines.next()) {
        (_, Some(_)) => Err(format!("the header `{name}` must occur only once")),
        (line, None) => Ok(line),
    }
}

/// Checks the header `Host` (RFC 9112, section 3.2). HTTP/1.1 requires it; HTTP/1.0 does not.
///
/// # Errors
/// If it occurs more than once, is not a host, or is missing although it is required.
pub(super) fn check_host(headers: &HeaderMap, is_required: bool) -> Result<(), String> {
    match single(headers, &HOST)? {
        Some(host) if is_host(host.as_bytes()) => Ok(()),
        Some(_) => Err("the header `Host` is not a host, such as `example.org:8000`".into()),
        None if is_required => Err("the header `Host` is missing".into()),
        None => Ok(()),
    }
}

/// Returns whether this is the value of a legal `Host`: a host with or without a port. It may also be empty (RFC 9112, section
/// 3.2).
fn is_host(host: &[u8]) -> bool {
    host.is_empty() || std::str::from_utf8(host).is_ok_and(is_host_and_port)
}

/// Returns whether a client accepts this media type (RFC 9110, section 12.5.1). It must name the type: a browser accepts `*/*`
/// for a page.
pub(super) fn accepts(headers: &HeaderMap, wanted: &str) -> bool {
    members(headers, &ACCEPT).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        parts.next().is_some_and(|name| name.eq_ignore_ascii_case(wanted)) && !parts.any(is_zero_weight)
    })
}

/// Returns whether this is the parameter `q=0`: the client does not accept the type.
fn is_zero_weight(parameter: &str) -> bool {
    let Some((name, weight)) = parameter.split_once('=') else { return false };
    name.trim().eq_ignore_ascii_case("q") && weight.trim().parse() == Ok(0.0)
}

/// Returns whether this is 16 bytes in base64 (RFC 6455, section 4.1).
pub(super) fn is_websocket_key(key: &[u8]) -> bool {
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    key.len() == 24 && key.strip_suffix(b"==").is_some_and(|digits| digits.iter().all(is_digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &HeaderName, lines: &[&str]) -> HeaderMap {
        lines.iter().map(|line| (name.clone(), line.parse().unwrap())).collect()
    }

    #[test]
    fn media_type_is_accepted_by_name_in_any_case_unless_its_weight_is_zero() {
        for (lines, wanted) in [
            (&["text/event-stream"][..], true),
            (&["TEXT/Event-Stream"], true),
            (&["text/html", "text/event-stream"], true),
            (&["text/html,\ttext/event-stream ; q=0.5"], true),
            (&["text/event-stream;q=0.001"], true),
            (&["text/event-stream;charset=utf-8"], true),
            (&["text/event-stream;q=0"], false),
            (&["text/event-stream; Q=0.000"], false),
            (&["text/event-stream-v2"], false),
            (&["x-text/event-stream"], false),
            (&["*/*"], false),
            (&["text/*"], false),
            (&[""], false),
            (&[], false),
        ] {
            assert_eq!(accepts(&headers(&ACCEPT, lines), "text/event-stream"), wanted, "{lines:?}");
        }
    }

    #[test]
    fn host_occurs_once_and_is_host() {
        for (lines, is_required, is_valid) in [
            (&["example.org"][..], true, true),
            (&["example.org:8000"], true, true),
            (&["[::1]:8000"], true, true),
            (&[""], true, true),
            (&[], false, true),
            (&[], true, false),
            (&["example.org", "example.org"], false, false),
            (&["user@example.org"], true, false),
            (&["example.org/path"], true, false),
            (&["two words"], true, false),
        ] {
            assert_eq!(check_host(&headers(&HOST, lines), is_required).is_ok(), is_valid, "{lines:?} {is_required}");
        }
    }

    #[test]
    fn websocket_key_is_16_bytes_in_base64() {
        for (key, wanted) in [
            ("dGhlIHNhbXBsZSBub25jZQ==", true),
            ("AAAAAAAAAAAAAAAAAAAA+/==", true),
            ("dGhlIHNhbXBsZSBub25jZQ=", false),
            ("dGhlIHNhbXBsZSBub25jZQ", false),
            ("dGhlIHNhbXBsZSBub25jZQA=", false),
            ("dGhlIHNhbXBsZSBub25jZQAA", false),
            ("dGhlIHNhbXBsZSBub25j-_==", false),
            ("twenty-four characters!!", false),
            ("", false),
        ] {
            assert_eq!(is_websocket_key(key.as_bytes()), wanted, "{key}");
        }
    }
}
