//! Who may do what, tried on every route of a service.

use std::collections::BTreeSet;

use anyhow::{Context, ensure};
use reqwest::header::{CONTENT_TYPE, HeaderMap, WWW_AUTHENTICATE};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;

use super::forged::forged_tokens;
use super::operations::{Audience, Operation, operations};
use super::{TestCaller, TestService};
use crate::tokens::COOKIE;

/// What everybody may ask of every service.
const SHARED: [&str; 4] = ["GET /healthz", "GET /metrics", "GET /openapi.json", "GET /readyz"];

/// A running service with something in it that is one customer's.
pub struct Access<'a> {
    /// The service.
    pub service: &'a TestService,
    /// What everybody may ask of it, such as `GET /api/products`, beside what every service has.
    pub public: &'a [&'a str],
    /// Whose it is.
    pub owner: &'a TestCaller,
    /// Another customer.
    pub stranger: &'a TestCaller,
    /// What only the owner may see, by the name that paths have for it: `("id", "ord_…")`.
    pub owned: &'a [(&'a str, &'a str)],
    /// A right body for each operation that takes one and is not for admins alone.
    pub bodies: &'a [(&'a str, Value)],
}

/// An answer: its status, its headers, and its body as far as it comes by itself.
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Access<'_> {
    /// Tries every operation that the service's OpenAPI document names: without a token, with each
    /// that is wrong, as a customer where it is for admins, and on what belongs to somebody else.
    pub async fn try_everything(&self) -> anyhow::Result<()> {
        let operations = operations(&self.service.document().await?)?;
        let public = operations.iter().filter(|one| one.audience == Audience::Everybody);
        let public: BTreeSet<String> = public.map(Operation::name).collect();
        let expected = self.public.iter().chain(&SHARED).map(|name| (*name).to_owned()).collect();
        ensure!(public == expected, "{public:?} are for everybody, not {expected:?}");

        let before = self.seen_by_owner(&operations).await?;
        for operation in operations.iter().filter(|one| one.audience != Audience::Everybody) {
            let name = operation.name();
            self.nobody_gets_in(operation).await.context(name.clone())?;
            match operation.audience {
                Audience::Admins => self.no_customer_gets_in(operation).await.context(name)?,
                _ => self.stranger_sees_nothing(operation).await.context(name)?,
            }
        }
        ensure!(
            before == self.seen_by_owner(&operations).await?,
            "what is the owner's has changed"
        );
        Ok(())
    }

    async fn nobody_gets_in(&self, operation: &Operation) -> anyhow::Result<()> {
        let mut requests = vec![
            ("no token", self.request(operation)),
            ("another scheme", self.request(operation).header("authorization", "Basic YTpi")),
            ("an empty header", self.request(operation).header("authorization", "")),
            ("two headers", self.as_caller(operation, self.owner).bearer_auth(&self.owner.token)),
            ("an empty cookie", self.request(operation).header("cookie", format!("{COOKIE}="))),
        ];
        for (what, token) in forged_tokens(self.owner.customer)? {
            let cookie = format!("theme=dark; {COOKIE}={token}");
            requests.push((what, self.request(operation).header("cookie", cookie)));
            requests.push((what, self.request(operation).bearer_auth(token)));
        }
        for (what, request) in requests {
            let answer = answer(request).await?;
            answer.is_problem(401, "unauthenticated").context(what)?;
            let challenge = answer.headers.get(WWW_AUTHENTICATE).context("no WWW-Authenticate")?;
            ensure!(challenge == "Bearer", "{challenge:?}");
        }
        if operation.method == Method::GET {
            let head = Operation { method: Method::HEAD, ..operation.clone() };
            ensure!(answer(self.request(&head)).await?.status == 401, "HEAD is not refused");
        }
        Ok(())
    }

    async fn no_customer_gets_in(&self, operation: &Operation) -> anyhow::Result<()> {
        let customers = answer(self.as_caller(operation, self.owner)).await?;
        customers.is_problem(403, "forbidden").context("as a customer")?;
        let admin = answer(self.as_caller(operation, &TestCaller::admin()?)).await?;
        ensure!(![401, 403].contains(&admin.status), "an admin is refused: {}", admin.body);
        Ok(())
    }

    /// A stranger who names what is the owner's is told that there is none; one who does not hears
    /// nothing of it.
    async fn stranger_sees_nothing(&self, operation: &Operation) -> anyhow::Result<()> {
        let mut request = self.as_caller(operation, self.stranger);
        let mut sent = operation.path_with(self.owned);
        if operation.takes_body {
            let name = operation.name();
            let body = self.bodies.iter().find(|(of, _)| *of == name);
            let (_, body) = body.context("its body is missing among `bodies`")?;
            sent += &body.to_string();
            request = request.json(body);
        }
        let names_it = self.owned.iter().any(|(_, value)| sent.contains(value));
        ensure!(
            names_it || operation.parameters().next().is_none(),
            "what it is about is missing among `owned`"
        );
        let answer = answer(request).await?;
        if names_it {
            return answer.is_problem(404, "not-found");
        }
        ensure!((200..300).contains(&answer.status), "{}: {}", answer.status, answer.body);
        let owner = self.owner.customer.to_string();
        let told = self.owned.iter().map(|(_, value)| *value).chain([owner.as_str()]);
        for secret in told {
            ensure!(!answer.body.contains(secret), "{secret} is told: {}", answer.body);
        }
        Ok(())
    }

    /// All that the owner can read.
    async fn seen_by_owner(&self, operations: &[Operation]) -> anyhow::Result<Vec<String>> {
        let mut seen = Vec::new();
        let reads =
            |one: &&Operation| one.method == Method::GET && one.audience == Audience::Callers;
        for operation in operations.iter().filter(reads) {
            let answer = answer(self.as_caller(operation, self.owner)).await?;
            let name = operation.name();
            ensure!(
                answer.status == 200,
                "{name}: {} for its owner: {}",
                answer.status,
                answer.body
            );
            // Streams tell the time.
            if !answer.is_stream() {
                seen.push(answer.body);
            }
        }
        for (name, value) in self.owned {
            let shown = seen.iter().any(|body| body.contains(value));
            ensure!(shown, "the {name} {value} is not even shown to its owner");
        }
        Ok(seen)
    }

    fn request(&self, operation: &Operation) -> RequestBuilder {
        let url = format!("{}{}", self.service.url, operation.path_with(self.owned));
        Client::new().request(operation.method.clone(), url)
    }

    fn as_caller(&self, operation: &Operation, caller: &TestCaller) -> RequestBuilder {
        self.request(operation).bearer_auth(&caller.token)
    }
}

impl Answer {
    fn is_stream(&self) -> bool {
        self.headers.get(CONTENT_TYPE).is_some_and(|kind| kind == "text/event-stream")
    }

    fn is_problem(&self, status: u16, slug: &str) -> anyhow::Result<()> {
        ensure!(self.status == status, "answered with {}: {}", self.status, self.body);
        let kind = self.headers.get(CONTENT_TYPE).context("an answer without a content type")?;
        ensure!(kind == "application/problem+json", "{kind:?}");
        let body: Value = serde_json::from_str(&self.body)?;
        ensure!(body["status"] == status, "{body}");
        let kind = body["type"].as_str().unwrap_or_default();
        ensure!(kind.ends_with(&format!("/{slug}")), "{body}");
        Ok(())
    }
}

/// Of a stream, only the beginning comes by itself.
async fn answer(request: RequestBuilder) -> anyhow::Result<Answer> {
    let mut response = request.send().await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let mut answer = Answer { status, headers, body: String::new() };
    while let Some(chunk) = response.chunk().await? {
        answer.body += &String::from_utf8_lossy(&chunk);
        if answer.is_stream() {
            break;
        }
    }
    Ok(answer)
}
