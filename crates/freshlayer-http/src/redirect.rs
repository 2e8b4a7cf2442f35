//! Where a redirect may lead.
//!
//! Threats: one that leads from the network into this machine, or into the network that it is in; one to an address that can be changed on its way; a
//! password that another host gets to see. Defence: each hop is judged, and a user and password stay with the scheme,
//! host and port that the definition gave them for. A host's name is judged where it is resolved ([`Outside`]), unless
//! the server that redirects is inside itself.

use std::error::Error;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use freshlayer::definition::{PlainHttp, is_loopback};
use reqwest::StatusCode;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

pub(crate) fn is_one(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// Finds the next address of a redirect, or says why it is not followed.
pub(crate) fn next_hop(
    from: &Url,
    location: Option<&str>,
    plain_http: PlainHttp,
) -> Result<Url, String> {
    let next = location.and_then(|location| from.join(location).ok());
    let mut next = next.ok_or("it redirects without saying where to")?;
    let scheme = next.scheme();
    if !matches!(scheme, "http" | "https") {
        return Err("it redirects to an address that is neither http nor https".to_owned());
    }
    if is_loopback(&next) && !is_loopback(from) {
        return Err("it redirects to this machine".to_owned());
    }
    if is_inside(&next) && next.host() != from.host() {
        return Err("it redirects into a private network".to_owned());
    }
    if scheme == "http" && !is_loopback(&next) && plain_http == PlainHttp::Loopback {
        let remedy = "allow it with `source.plain_http = \"anywhere\"`";
        return Err(format!(
            "it redirects to plain http, which can be changed on its way; {remedy}"
        ));
    }
    let (user, password) = if next.origin() == from.origin() {
        (from.username(), from.password())
    } else {
        ("", None)
    };
    // Neither fails for an address with a host.
    let _set = (next.set_username(user), next.set_password(password));
    Ok(next)
}

/// Tells whether an address is one of a private network, or of this link, where clouds keep credentials.
fn is_inside(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => is_inside_ipv4(address),
        Some(Host::Ipv6(address)) => match address.to_ipv4_mapped() {
            Some(address) => is_inside_ipv4(address) || address.is_loopback(),
            None => is_inside_ipv6(address),
        },
        Some(Host::Domain(_)) | None => false,
    }
}

fn is_inside_ipv6(address: Ipv6Addr) -> bool {
    address.is_unique_local() || address.is_unicast_link_local() || address.is_unspecified()
}

/// Tells whether a server is on this machine or in a private network: it may lead to others there.
pub(crate) fn is_near(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_loopback() || is_inside_ipv4(address),
        IpAddr::V6(address) => address.is_loopback() || is_inside_ipv6(address),
    }
}

/// Resolves host names to addresses outside of this machine and of private networks.
pub(crate) struct Outside;

/// A name that leads to no address outside.
#[derive(Debug)]
pub(crate) struct LeadsInside;

impl fmt::Display for LeadsInside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "it redirects to a host name that leads into a private network or to this machine; where that host is the \
             right one, name its address in the definition",
        )
    }
}

impl Error for LeadsInside {}

impl LeadsInside {
    /// Finds it among what a failed request says.
    pub(crate) fn in_causes_of<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e Self> {
        let known = error.downcast_ref();
        known.or_else(|| Self::in_causes_of(error.source()?))
    }
}

impl Resolve for Outside {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let outside: Vec<SocketAddr> = found.filter(|found| !is_near(found.ip())).collect();
            if outside.is_empty() {
                return Err(LeadsInside.into());
            }
            Ok(Box::new(outside.into_iter()) as Addrs)
        })
    }
}

fn is_inside_ipv4(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    let shared = first == 100 && (64..128).contains(&second);
    address.is_private() || address.is_link_local() || shared || first == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(from: &str, to: &str) -> Result<String, String> {
        let from = Url::parse(from).expect("an address");
        next_hop(&from, Some(to), PlainHttp::Loopback).map(String::from)
    }

    #[test]
    fn user_and_password_stay_with_their_host() {
        let from = "https://user:pass@example.org/a";
        for (to, expected) in [
            ("/b", "https://user:pass@example.org/b"),
            ("https://example.org/b", "https://user:pass@example.org/b"),
            ("//other.example/b", "https://other.example/b"),
            ("https://other.example/b", "https://other.example/b"),
            ("https://example.org:8443/b", "https://example.org:8443/b"),
        ] {
            assert_eq!(hop(from, to).as_deref(), Ok(expected));
        }
        assert_eq!(
            hop("https://other.example/b", "https://example.org/c").as_deref(),
            Ok("https://example.org/c")
        );
    }

    #[test]
    fn what_is_not_followed_is_said_in_words() {
        for (from, to, says) in [
            ("https://example.org/a", "http://example.org/a", "plain http"),
            ("http://127.0.0.1/a", "http://example.org/a", "plain http"),
            ("https://example.org/a", "http://127.0.0.1/a", "this machine"),
            ("https://example.org/a", "ftp://example.org/a", "neither http nor https"),
            ("https://example.org/a", "https://10.0.0.1/a", "private network"),
            ("https://example.org/a", "https://169.254.169.254/latest", "private network"),
            ("https://example.org/a", "https://[fd00::1]/a", "private network"),
            ("https://example.org/a", "https://[::ffff:127.0.0.1]/a", "private network"),
            ("http://127.0.0.1/a", "http://192.168.0.1/a", "private network"),
            ("https://10.0.0.1/a", "https://10.0.0.2/a", "private network"),
        ] {
            let reason = hop(from, to).expect_err("not followed");
            assert!(reason.contains(says), "{reason}");
        }
        let from = Url::parse("https://example.org/a").expect("an address");
        assert!(next_hop(&from, None, PlainHttp::Loopback).is_err());
    }

    #[test]
    fn a_server_is_near_on_this_machine_and_in_private_networks() {
        let near = |text: &str| is_near(text.parse().expect("an address"));
        for address in
            ["127.0.0.1", "::1", "10.1.2.3", "169.254.169.254", "fd00::1", "::ffff:10.0.0.1", "::"]
        {
            assert!(near(address), "{address}");
        }
        for address in ["192.0.2.1", "8.8.8.8", "2001:db8::1", "::ffff:8.8.8.8"] {
            assert!(!near(address), "{address}");
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_is_resolved_to_nothing() {
        let name = "localhost".parse().expect("a name");
        let error = Outside.resolve(name).await.map(drop).expect_err("this machine");
        assert!(LeadsInside::in_causes_of(&*error).is_some(), "{error}");
    }
}
