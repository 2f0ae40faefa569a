//! The URL of a backend.

use std::fmt;

use http::Uri;

/// The reason why the URL of a backend is refused. The text does not contain the URL, which may contain a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the URL of a backend {problem}")]
pub struct UrlError {
    problem: &'static str,
}

/// A checked URL of a backend: `http` or `https`, a host, and a path.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct BackendUrl(Uri);

impl BackendUrl {
    pub(crate) fn parse(url: &str) -> Result<Self, UrlError> {
        let refuse = |problem| Err(UrlError { problem });
        if url.trim().is_empty() {
            return refuse("is empty: is its environment variable set? Write `http://127.0.0.1:8000/`");
        }
        let Ok(uri) = url.parse::<Uri>() else {
            return refuse("is not a URL; write `http://127.0.0.1:8000/`");
        };
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") if cfg!(feature = "backend-tls") => {}
            Some("https") => {
                return refuse("begins with `https://`, which needs the feature `backend-tls` of channels-runtime");
            }
            _ => return refuse("does not begin with `http://` or `https://`"),
        }
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return refuse("contains a password; send it in a header instead");
        }
        if uri.host().is_none_or(str::is_empty) {
            return refuse("has no host; write `http://127.0.0.1:8000/`");
        }
        Ok(Self(uri))
    }

    /// Returns the URL of a path of this backend. The URL's own path is a prefix.
    pub(crate) fn join(&self, path: &str) -> Result<Self, UrlError> {
        let refuse = |problem| Err(UrlError { problem });
        if !path.starts_with('/') || path.starts_with("//") {
            return refuse("needs a path that begins with one `/`, such as `/chat/save`");
        }
        let mut parts = self.0.clone().into_parts();
        let joined = format!("{}{path}", self.0.path().trim_end_matches('/'));
        let Ok(joined) = joined.parse() else {
            return refuse("needs a path without spaces and other characters that a URL does not allow");
        };
        parts.path_and_query = Some(joined);
        Uri::from_parts(parts).map(Self).map_err(|_| UrlError { problem: "is not a URL" })
    }

    pub(crate) fn uri(&self) -> &Uri {
        &self.0
    }
}

/// Shows the URL without its query, which may contain a secret.
impl fmt::Display for BackendUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, host) =
            (self.0.scheme_str().unwrap_or_default(), self.0.authority().map_or("", |host| host.as_str()));
        write!(f, "{scheme}://{host}{}", self.0.path())
    }
}

impl fmt::Debug for BackendUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unusable_url_is_refused_with_remedy() {
        for (url, wanted) in [
            ("", "is its environment variable set"),
            ("127.0.0.1:8000/whoami/", "http://"),
            ("/whoami/", "does not begin with `http://`"),
            ("ftp://127.0.0.1/", "does not begin with `http://`"),
            ("http://user:secret@127.0.0.1/", "contains a password"),
            ("http://", "is not a URL"),
            ("http://a b/", "is not a URL"),
        ] {
            let error = BackendUrl::parse(url).unwrap_err().to_string();
            assert!(error.contains(wanted) && !error.contains("secret"), "{url}: {error}");
        }
        assert_eq!(BackendUrl::parse("https://127.0.0.1/").is_ok(), cfg!(feature = "backend-tls"));
    }

    #[test]
    fn path_is_joined_to_prefix_of_url() {
        for (base, path, wanted) in [
            ("http://127.0.0.1:8000", "/chat/save", "http://127.0.0.1:8000/chat/save"),
            ("http://127.0.0.1:8000/", "/chat/save", "http://127.0.0.1:8000/chat/save"),
            ("http://backend/api/", "/chat/save?x=1", "http://backend/api/chat/save?x=1"),
        ] {
            assert_eq!(BackendUrl::parse(base).unwrap().join(path).unwrap().uri().to_string(), wanted);
        }
        let base = BackendUrl::parse("http://127.0.0.1:8000").unwrap();
        for path in ["chat", "", "//other.example/", "@other.example/", "/a b", "/a\r\nHost: x"] {
            assert!(base.join(path).is_err(), "{path}");
        }
        assert_eq!(BackendUrl::parse("http://backend/a?key=secret").unwrap().to_string(), "http://backend/a");
    }
}
