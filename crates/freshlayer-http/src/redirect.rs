//! Where a redirect may lead.
//!
//! Threats: one that leads from the network into this machine, or into the network that it is in; one to an address that can be changed on its way; a
//! password that another host gets to see. Defence: each hop is judged, and a user and password stay with the scheme,
//! host and port that the definition gave them for. A host's name is judged where it is resolved ([`Reach`]). Where a
//! proxy resolves names, it judges them.

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
        Some(Host::Ipv6(address)) => match ipv4_in(address) {
            Some(address) => is_inside_ipv4(address) || address.is_loopback(),
            None => is_inside_ipv6(address),
        },
        Some(Host::Domain(_)) | None => false,
    }
}

fn is_inside_ipv4(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    let shared = first == 100 && (64..128).contains(&second);
    address.is_private() || address.is_link_local() || shared || first == 0
}

fn is_inside_ipv6(address: Ipv6Addr) -> bool {
    let [first, second, third, ..] = address.segments();
    let (site_local, local_nat64) =
        (first & 0xffc0 == 0xfec0, (first, second, third) == (0x64, 0xff9b, 1));
    let reserved = site_local || local_nat64 || address.is_unspecified();
    reserved || address.is_unique_local() || address.is_unicast_link_local()
}

/// Returns the IPv4 address that an IPv6 address stands for: mapped, compatible, of NAT64 or of 6to4.
/// Source: RFC 4291, section 2.5.5; RFC 6052, section 2.1; RFC 3056, section 2.
fn ipv4_in(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let from = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            Some(from(high, low))
        }
        [0x2002, high, low, ..] => Some(from(high, low)),
        _ => None,
    }
}

fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(long) => ipv4_in(long).map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

fn is_private(address: IpAddr) -> bool {
    match plain(address) {
        IpAddr::V4(address) => is_inside_ipv4(address),
        IpAddr::V6(address) => is_inside_ipv6(address),
    }
}

fn is_this_machine(address: IpAddr) -> bool {
    plain(address).is_loopback()
}

/// Where clouds keep credentials.
fn is_this_link(address: IpAddr) -> bool {
    match plain(address) {
        IpAddr::V4(address) => address.is_link_local() || address.octets()[0] == 0,
        IpAddr::V6(address) => address.is_unicast_link_local() || address.is_unspecified(),
    }
}

/// How far the names of hosts may lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// To every host: what a definition names, and what a server on this machine redirects to.
    Anywhere,
    /// To every other host: what a server in a private network redirects to.
    OtherHosts,
    /// To hosts outside of private networks: what a server there redirects to.
    Outside,
}

impl Reach {
    /// Tells how far a redirect of a server may lead.
    pub(crate) fn from(server: Option<IpAddr>) -> Self {
        match server {
            Some(server) if is_this_machine(server) => Self::Anywhere,
            Some(server) if is_private(server) => Self::OtherHosts,
            Some(_) | None => Self::Outside,
        }
    }

    fn covers(self, address: IpAddr) -> bool {
        match self {
            Self::Anywhere => true,
            Self::OtherHosts => !is_this_machine(address) && !is_this_link(address),
            Self::Outside => !is_this_machine(address) && !is_private(address),
        }
    }
}

/// A name that leads to no address within reach.
#[derive(Debug)]
pub(crate) struct LeadsInside {
    /// The name. It is that of a proxy where it is none of the address that was asked for.
    pub(crate) host: String,
}

impl fmt::Display for LeadsInside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "it redirects to a host name that leads into a private network or to this machine; where that host is the \
             right one, write the final address into the definition",
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

/// Resolves names to what is within reach.
impl Resolve for Reach {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = *self;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let covered: Vec<SocketAddr> = found.filter(|found| reach.covers(found.ip())).collect();
            if covered.is_empty() {
                return Err(LeadsInside { host: name.as_str().to_owned() }.into());
            }
            Ok(Box::new(covered.into_iter()) as Addrs)
        })
    }
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
            ("https://example.org/a", "https://[64:ff9b::10.0.0.1]/a", "private network"),
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
    fn a_redirect_leads_as_far_as_its_server_may() {
        let address = |text: &str| text.parse().expect("an address");
        let reach = |text: &str| Reach::from(Some(address(text)));
        assert_eq!(Reach::from(None), Reach::Outside);
        for near in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(reach(near), Reach::Anywhere, "{near}");
            assert!(!Reach::OtherHosts.covers(address(near)), "{near}");
            assert!(!Reach::Outside.covers(address(near)), "{near}");
        }
        for private in [
            "10.1.2.3",
            "fd00::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "2002:a00:1::",
            "::10.0.0.1",
        ] {
            assert_eq!(reach(private), Reach::OtherHosts, "{private}");
            assert!(Reach::OtherHosts.covers(address(private)), "{private}");
            assert!(!Reach::Outside.covers(address(private)), "{private}");
        }
        for link in ["169.254.169.254", "fe80::1", "64:ff9b::a9fe:a9fe", "0.0.0.0", "::"] {
            assert!(!Reach::OtherHosts.covers(address(link)), "{link}");
            assert!(!Reach::Outside.covers(address(link)), "{link}");
        }
        for reserved in ["fec0::1", "64:ff9b:1::1"] {
            assert!(!Reach::Outside.covers(address(reserved)), "{reserved}");
        }
        for outside in ["192.0.2.1", "8.8.8.8", "2001:db8::1", "::ffff:8.8.8.8", "64:ff9b::808:808"]
        {
            assert_eq!(reach(outside), Reach::Outside, "{outside}");
            assert!(Reach::Outside.covers(address(outside)), "{outside}");
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_is_resolved_to_nothing() {
        for reach in [Reach::OtherHosts, Reach::Outside] {
            let name = "localhost".parse().expect("a name");
            let error = reach.resolve(name).await.map(drop).expect_err("this machine");
            let inside = LeadsInside::in_causes_of(&*error).expect("it is said");
            assert_eq!(inside.host, "localhost");
        }
    }
}
