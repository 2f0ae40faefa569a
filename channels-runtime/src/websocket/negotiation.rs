//! The negotiation of `permessage-deflate` (RFC 7692, section 7.1), from the headers of a handshake.

use http::header::{SEC_WEBSOCKET_EXTENSIONS, USER_AGENT};
use http::{HeaderMap, HeaderValue};

use crate::websocket::agreement::Agreement;
use crate::websocket::window::Window;

const EXTENSION: &str = "permessage-deflate";

/// The older extensions of WebKit. Only Netty offers them together with this one.
const OLDER: [&str; 2] = ["deflate-frame", "x-webkit-deflate-frame"];

/// The result of a negotiation.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Negotiated {
    /// The client does not offer the extension.
    NotOffered,
    /// No offer is acceptable, or the client does not inflate correctly.
    Declined,
    Accepted(Agreement),
}

/// The parameters of an acceptable offer.
struct Offer {
    client_no_context_takeover: bool,
    server_max_window_bits: Option<Window>,
}

/// Accepts the first acceptable offer of a client.
///
/// Both sides forget each message: `server_no_context_takeover`, because all clients share the compressed form, and
/// `client_no_context_takeover`, so that a connection does not keep 40 KiB. A server may ask for the latter even if the client
/// does not offer it (RFC 7692, section 7.1.1.2).
pub(super) fn negotiate(headers: &HeaderMap) -> Negotiated {
    let mut is_offered = false;
    let mut is_netty = false;
    let mut accepted = None;
    for offer in offers(headers) {
        let name = offer.split(';').next().unwrap_or_default().trim();
        is_netty |= OLDER.contains(&name);
        if name == EXTENSION {
            is_offered = true;
            accepted = accepted.or_else(|| parse(offer));
        }
    }
    if !is_offered {
        return Negotiated::NotOffered;
    }
    let Some(Offer { client_no_context_takeover, server_max_window_bits }) = accepted else {
        return Negotiated::Declined;
    };
    // Netty's default client disconnects if it is asked to forget and did not offer that.
    if (is_netty && !client_no_context_takeover) || keeps_context(headers) {
        return Negotiated::Declined;
    }
    let mut response = format!("{EXTENSION}; server_no_context_takeover; client_no_context_takeover");
    if let Some(window) = server_max_window_bits {
        response.push_str("; server_max_window_bits=");
        response.push_str(&window.bits().to_string());
    }
    Negotiated::Accepted(Agreement {
        window: server_max_window_bits.unwrap_or(Window::LARGEST),
        response: HeaderValue::try_from(response).expect("words and digits are a legal header"),
    })
}

fn offers(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(SEC_WEBSOCKET_EXTENSIONS).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim)
}

/// Parses the parameters of an offer. `None` if the offer must be declined: a parameter is unknown, repeated or out of range.
fn parse(offer: &str) -> Option<Offer> {
    let (mut server_no_context_takeover, mut client_no_context_takeover) = (false, false);
    let (mut server_max_window_bits, mut client_max_window_bits) = (None, false);
    for parameter in offer.split(';').skip(1).map(str::trim) {
        let (name, value) = match parameter.split_once('=') {
            Some((name, value)) => (name.trim_end(), Some(unquoted(value.trim_start())?)),
            None => (parameter, None),
        };
        let flag = match (name, value) {
            ("server_no_context_takeover", None) => &mut server_no_context_takeover,
            ("client_no_context_takeover", None) => &mut client_no_context_takeover,
            ("server_max_window_bits", Some(value)) if server_max_window_bits.is_none() => {
                server_max_window_bits = Some(window(value)?);
                continue;
            }
            ("client_max_window_bits", None) => &mut client_max_window_bits,
            ("client_max_window_bits", Some(value)) => {
                window(value)?;
                &mut client_max_window_bits
            }
            _ => return None,
        };
        if std::mem::replace(flag, true) {
            return None;
        }
    }
    Some(Offer { client_no_context_takeover, server_max_window_bits })
}

/// Returns the value of a parameter, which may be in quotes.
fn unquoted(value: &str) -> Option<&str> {
    match value.strip_prefix('"') {
        Some(value) => value.strip_suffix('"'),
        None => Some(value),
    }
}

/// Parses a number of bits: decimal, without leading zeros.
fn window(value: &str) -> Option<Window> {
    let is_number = !value.starts_with('0') && value.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { Window::new(value.parse().ok()?) } else { None }
}

/// Returns whether the client is Safari 15.0 to 15.3 or another browser on iOS 15.0 to 15.3. It agrees to forget, and does not.
fn keeps_context(headers: &HeaderMap) -> bool {
    let Some(agent) = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()) else { return false };
    let is_one_of = |before: &str, separators: [char; 2]| {
        agent.split(before).skip(1).any(|version| {
            let mut characters = version.chars();
            characters.next().is_some_and(|minor| ('0'..='3').contains(&minor))
                && characters.next().is_none_or(|next| separators.contains(&next))
        })
    };
    (is_one_of("Version/15.", [' ', '.']) && agent.contains(" Safari/"))
        || (is_one_of(" OS 15_", [' ', '_']) && agent.contains("like Mac OS X"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

    fn headers(lines: &[&str], agent: Option<&str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(SEC_WEBSOCKET_EXTENSIONS, line.parse().unwrap());
        }
        headers.extend(agent.map(|agent| (USER_AGENT, agent.parse().unwrap())));
        headers
    }

    /// Returns the response, or the reason why there is none.
    fn response(lines: &[&str]) -> Result<String, Negotiated> {
        match negotiate(&headers(lines, None)) {
            Negotiated::Accepted(Agreement { response, window }) => {
                let response = response.to_str().unwrap().to_owned();
                let bits = response.split_once("server_max_window_bits=").map(|(_, bits)| bits.parse().unwrap());
                assert_eq!(window, bits.map_or(Window::LARGEST, |bits| Window::new(bits).unwrap()));
                Ok(response)
            }
            other => Err(other),
        }
    }

    #[test]
    fn first_acceptable_offer_is_accepted() {
        let with_bits = |bits: u8| format!("{BOTH}; server_max_window_bits={bits}");
        for (offers, wanted) in [
            (&["permessage-deflate"][..], BOTH.to_owned()),
            // Chromium, Firefox, Node `ws`, undici
            (&["permessage-deflate; client_max_window_bits"], BOTH.to_owned()),
            // gorilla
            (&["permessage-deflate; server_no_context_takeover; client_no_context_takeover"], BOTH.to_owned()),
            // Python `websockets`
            (&["permessage-deflate; server_max_window_bits=12; client_max_window_bits=12"], with_bits(12)),
            (&["permessage-deflate;server_max_window_bits=\"9\""], with_bits(9)),
            (&["permessage-deflate ; server_max_window_bits = 8 ; client_max_window_bits=15"], with_bits(8)),
            (&["x-other, permessage-deflate"], BOTH.to_owned()),
            (&["x-other", "permessage-deflate; server_max_window_bits=10"], with_bits(10)),
            (&["permessage-deflate; server_max_window_bits=16, permessage-deflate"], BOTH.to_owned()),
            (&["permessage-deflate; mystery", "permessage-deflate; server_max_window_bits=15"], with_bits(15)),
        ] {
            assert_eq!(response(offers), Ok(wanted), "{offers:?}");
        }
    }

    #[test]
    fn offer_with_unknown_repeated_or_invalid_parameter_is_declined() {
        for parameters in [
            "mystery",
            "mystery=1",
            "",
            "server_max_window_bits",
            "server_max_window_bits=7",
            "server_max_window_bits=16",
            "server_max_window_bits=08",
            "server_max_window_bits=+9",
            "server_max_window_bits=\"9",
            "server_max_window_bits=",
            "server_max_window_bits=9; server_max_window_bits=9",
            "client_max_window_bits=0",
            "client_max_window_bits; client_max_window_bits=9",
            "client_no_context_takeover=1",
            "client_no_context_takeover; client_no_context_takeover",
            "server_no_context_takeover; server_no_context_takeover",
            "SERVER_NO_CONTEXT_TAKEOVER",
        ] {
            let offer = format!("permessage-deflate; {parameters}");
            assert_eq!(response(&[&offer]), Err(Negotiated::Declined), "{offer}");
        }
    }

    #[test]
    fn other_extensions_are_not_an_offer() {
        for offers in [&[][..], &[""], &["permessage-bzip2"], &["x-webkit-deflate-frame"], &["permessage-deflate2"]] {
            assert_eq!(response(offers), Err(Negotiated::NotOffered), "{offers:?}");
        }
    }

    #[test]
    fn netty_is_declined_unless_it_offers_to_forget() {
        let others = ["deflate-frame", "x-webkit-deflate-frame"];
        for other in others {
            let default = format!("permessage-deflate;client_max_window_bits, {other}");
            assert_eq!(response(&[&default]), Err(Negotiated::Declined), "{default}");
            let forgets = format!("{other}, permessage-deflate;client_no_context_takeover");
            assert_eq!(response(&[&forgets]), Ok(BOTH.to_owned()), "{forgets}");
        }
    }

    #[test]
    fn safari_15_0_to_15_3_is_declined() {
        let mac = |version: &str| {
            format!(
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) {version}"
            )
        };
        let phone = |system: &str, end: &str| {
            format!(
                "Mozilla/5.0 (iPhone; CPU iPhone OS {system} like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) {end}"
            )
        };
        for (agent, is_declined) in [
            (mac("Version/15.0 Safari/605.1.15"), true),
            (mac("Version/15.3 Safari/605.1.15"), true),
            (mac("Version/15.2.1 Safari/605.1.15"), true),
            (mac("Version/15.4 Safari/605.1.15"), false),
            (mac("Version/15.30 Safari/605.1.15"), false),
            (mac("Version/14.1 Safari/605.1.15"), false),
            (mac("Version/26.1 Safari/605.1.15"), false),
            (phone("15_0", "Version/15.0 Mobile/15E148 Safari/604.1"), true),
            (phone("15_3_1", "CriOS/100.0.4896.77 Mobile/15E148 Safari/604.1"), true),
            (phone("15_4", "CriOS/100.0.4896.77 Mobile/15E148 Safari/604.1"), false),
            (phone("15_31", "CriOS/100.0.4896.77 Mobile/15E148 Safari/604.1"), false),
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/115.0.0.0 Safari/537.36"
                    .into(),
                false,
            ),
        ] {
            let negotiated = negotiate(&headers(&["permessage-deflate"], Some(&agent)));
            assert_eq!(negotiated == Negotiated::Declined, is_declined, "{agent}");
        }
    }
}
