//! Redirects of the handshake: which are followed, and what goes along. No runtime is used here.

use url::Url;

/// So many redirects in a row are followed, as browsers and curl do at most.
#[allow(dead_code)] // The core cannot change its server yet: see `follow`.
pub(crate) const HOPS: usize = 10;

/// Where a redirect leads, and what may go along.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Redirected {
    pub(crate) url: Url,
    /// Scheme, host and port are the same: credentials and cookies may go along.
    pub(crate) same_origin: bool,
}

/// Judges a redirect from `from` (the whole request URL) to the `Location` value of the answer.
///
/// # Errors
/// Why it is not followed, for people.
#[allow(dead_code)]
pub(crate) fn follow(
    from: &Url,
    status: u16,
    location: &str,
    followed: usize,
) -> Result<Redirected, String> {
    let refuse = |why: &str| {
        Err(format!(
            "the server redirects (HTTP {status}) to {}: {why}",
            shown(location)
        ))
    };
    if !matches!(status, 301 | 302 | 303 | 307 | 308) {
        return refuse("only 301, 302, 303, 307 and 308 can be followed");
    }
    if followed >= HOPS {
        return refuse(&format!(
            "it is the {}th in a row, a loop most likely",
            HOPS + 1
        ));
    }
    if location.is_empty() {
        return refuse("it says not where to");
    }
    let Ok(mut url) = from.join(location) else {
        return refuse("that is no URL");
    };
    let secure = |url: &Url| matches!(url.scheme(), "https" | "wss");
    if !matches!(url.scheme(), "http" | "https" | "ws" | "wss") || url.host().is_none() {
        return refuse("that is no http or https URL");
    }
    if secure(from) && !secure(&url) {
        return refuse("from https to http is never followed, for it would give up encryption");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return refuse("a URL with credentials of the server's choice is not followed");
    }
    url.set_fragment(None);
    let same_origin = secure(from) == secure(&url)
        && from.host() == url.host()
        && from.port_or_known_default() == url.port_or_known_default();
    Ok(Redirected { url, same_origin })
}

/// The server's text, short and without anything that a terminal would act upon.
fn shown(location: &str) -> String {
    location
        .chars()
        .filter(|c| !c.is_control())
        .take(200)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_followed() {
        let from = Url::parse("http://a.test:3000/socket.io/?EIO=4").unwrap();
        for (location, url, same) in [
            ("/other/?EIO=4", "http://a.test:3000/other/?EIO=4", true),
            (
                "https://a.test/socket.io/",
                "https://a.test/socket.io/",
                false,
            ),
            ("http://b.test:3000/", "http://b.test:3000/", false),
            ("http://A.test:3000/x#f", "http://a.test:3000/x", true),
        ] {
            let to = follow(&from, 308, location, 0).unwrap();
            assert_eq!((to.url.as_str(), to.same_origin), (url, same), "{location}");
        }
    }

    #[test]
    fn what_is_not() {
        let from = Url::parse("https://a.test/socket.io/").unwrap();
        for (status, location, followed, words) in [
            (302, "http://a.test/", 0, "never followed"),
            (302, "", 0, "not where to"),
            (302, "ftp://a.test/", 0, "no http or https URL"),
            (302, "https://u:p@b.test/", 0, "credentials"),
            (302, "https://b.test/", HOPS, "11th in a row"),
            (304, "https://b.test/", 0, "only 301"),
            (302, "https://[", 0, "no URL"),
        ] {
            let error = follow(&from, status, location, followed).unwrap_err();
            assert!(error.contains(words) && !error.contains('\n'), "{error}");
        }
    }
}
