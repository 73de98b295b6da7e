//! Where the services are, and what they say of themselves.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use reqwest::Client;

/// Every service, and the port it listens on unless told otherwise: as they say themselves, which a test sees to,
/// since this is built with none of them.
const SERVICES: [(&str, u16); 7] = [
    ("auth", 3000),
    ("products", 3001),
    ("orders", 3002),
    ("payments", 3003),
    ("inventory", 3004),
    ("notification", 3005),
    ("expiration", 3006),
];
const PATIENCE: Duration = Duration::from_secs(5);

/// All services, by name.
pub fn names() -> impl Iterator<Item = &'static str> {
    SERVICES.into_iter().map(|(name, _)| name)
}

/// Those that hear of events, and so have a group, and dead letters.
pub fn consumers() -> impl Iterator<Item = &'static str> {
    names().filter(|name| *name != "auth")
}

/// Where services are.
#[derive(Debug, Clone)]
pub struct ServiceUrls(BTreeMap<&'static str, String>);

impl FromStr for ServiceUrls {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut urls: BTreeMap<_, _> = SERVICES
            .into_iter()
            .map(|(name, port)| (name, format!("http://127.0.0.1:{port}")))
            .collect();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let (name, url) = part.split_once('=').context("it is a list of name=url")?;
            let Some(name) = names().find(|known| *known == name) else {
                bail!("there is no service {name}");
            };
            ensure!(url.starts_with("http://"), "the url of {name} must begin with http://");
            urls.insert(name, url.trim_end_matches('/').to_owned());
        }
        Ok(Self(urls))
    }
}

impl ServiceUrls {
    fn of(&self, service: &str) -> Result<&str> {
        self.0.get(service).map(String::as_str).context("an unknown service")
    }

    /// The figures a service tells, or why there are none.
    pub async fn figures(&self, service: &str) -> Result<Figures> {
        let url = format!("{}/metrics", self.of(service)?);
        let answer = client()?.get(url).send().await?.error_for_status()?;
        Ok(Figures(answer.text().await?))
    }

    /// What a service answers to a request of somebody; `None` for what it does not know.
    pub async fn ask(
        &self,
        service: &str,
        path: &str,
        token: &str,
    ) -> Result<Option<serde_json::Value>> {
        let url = format!("{}{path}", self.of(service)?);
        let answer = client()?.get(url).bearer_auth(token).send().await?;
        if answer.status() == reqwest::StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let answer = answer.error_for_status().with_context(|| format!("{service} refuses"))?;
        Ok(Some(answer.json().await?))
    }
}

fn client() -> reqwest::Result<Client> {
    Client::builder().timeout(PATIENCE).build()
}

/// Figures in Prometheus' text format.
pub struct Figures(String);

impl Figures {
    /// The figure of that name; of several with different labels, all together. `None` while nothing was told.
    pub fn sum(&self, name: &str) -> Option<f64> {
        let values = self.0.lines().filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let of_name = series.split('{').next() == Some(name);
            of_name.then(|| value.parse::<f64>().ok())?
        });
        values.fold(None, |sum, value| Some(sum.unwrap_or(0.0) + value))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use contracts::schema::read_consumers;
    use test_support::stack::checkout;

    use super::*;

    #[test]
    fn every_service_is_known_with_the_port_it_says() {
        let known = SERVICES.map(|(name, port)| (name.to_owned(), port));
        assert_eq!(BTreeMap::from(known), test_support::services());
    }

    #[test]
    fn the_consumers_are_those_that_hear_of_events() {
        let found = read_consumers(&checkout().join("services")).unwrap();
        let found: BTreeSet<_> = found.keys().map(String::as_str).collect();
        assert_eq!(consumers().collect::<BTreeSet<_>>(), found);
    }

    #[test]
    fn services_are_where_they_are_said_to_be() {
        let urls: ServiceUrls = "orders=http://orders:3002/,auth=http://10.0.0.1".parse().unwrap();
        assert_eq!(urls.of("orders").unwrap(), "http://orders:3002");
        assert_eq!(urls.of("auth").unwrap(), "http://10.0.0.1");
        assert_eq!(urls.of("products").unwrap(), "http://127.0.0.1:3001");
        for wrong in ["orders", "shop=http://a", "orders=a"] {
            wrong.parse::<ServiceUrls>().unwrap_err();
        }
    }

    #[test]
    fn figures_of_one_name_are_added_up() {
        let text =
            "# TYPE letters gauge\nletters{topic=\"a\"} 2\nletters{topic=\"b\"} 3\nletters_all 9\n";
        let figures = Figures(text.to_owned());
        assert_eq!(figures.sum("letters"), Some(5.0));
        assert_eq!(figures.sum("letters_all"), Some(9.0));
        assert_eq!(figures.sum("letter"), None);
    }
}
