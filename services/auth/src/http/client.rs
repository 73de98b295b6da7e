//! The address of the client.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use axum::extract::{ConnectInfo, FromRef, FromRequestParts};
use axum::http::HeaderMap;
use axum::http::request::Parts;

/// How many proxies in front of the service add to `X-Forwarded-For`.
#[derive(Clone, Copy)]
pub struct TrustedProxies(pub u8);

/// Where a request comes from, as far as it can be known: for IPv6 the network, since one client
/// has all addresses of a /64.
pub struct ClientAddress(pub IpAddr);

impl<S> FromRequestParts<S> for ClientAddress
where
    S: Send + Sync,
    TrustedProxies: FromRef<S>,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let TrustedProxies(proxies) = TrustedProxies::from_ref(state);
        let peer = parts
            .extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(peer)| peer.ip());
        Ok(Self(network(client(peer, &parts.headers, proxies.into()))))
    }
}

/// Each proxy adds the address it was called from at the end. What stands before that, the client
/// may have invented.
fn client(peer: IpAddr, headers: &HeaderMap, proxies: usize) -> IpAddr {
    if proxies == 0 {
        return peer;
    }
    let values = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
    let told: Vec<&str> = values.flat_map(|value| value.split(',')).map(str::trim).collect();
    let first_trusted = told.get(told.len().saturating_sub(proxies));
    first_trusted.and_then(|address| address.parse().ok()).unwrap_or(peer)
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(forwarded: &[&str], proxies: usize) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        client([10, 0, 0, 1].into(), &headers, proxies).to_string()
    }

    #[test]
    fn what_a_client_claims_counts_only_as_far_as_proxies_are_trusted() {
        assert_eq!(of(&["1.1.1.1"], 0), "10.0.0.1");
        assert_eq!(of(&["1.1.1.1, 2.2.2.2"], 1), "2.2.2.2");
        assert_eq!(of(&["6.6.6.6, 1.1.1.1,2.2.2.2"], 2), "1.1.1.1");
        assert_eq!(of(&["6.6.6.6", "1.1.1.1", "2.2.2.2"], 2), "1.1.1.1");
        assert_eq!(of(&["1.1.1.1"], 2), "1.1.1.1");
    }

    #[test]
    fn without_a_usable_claim_the_connection_counts() {
        for forwarded in [&[][..], &[""], &["unknown"], &["1.1.1.1, _hidden"]] {
            assert_eq!(of(forwarded, 1), "10.0.0.1", "{forwarded:?}");
        }
    }

    #[test]
    fn addresses_of_one_network_are_one() {
        let network = |address: &str| network(address.parse().unwrap()).to_string();
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(network("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(network("192.0.2.7"), "192.0.2.7");
    }
}
