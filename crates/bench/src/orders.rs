//! The requests that are sent, made of parts that are ready beforehand.

use std::str::FromStr;

use anyhow::{Context, Result};
use bytes::Bytes;
use contracts::ids::OrderId;
use http_body_util::Full;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use hyper::{Method, Request, Uri};
use uuid::Uuid;

use crate::mix::{Kind, Mix, draw};
use crate::plan::Plan;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// No service looks at it.
const ANYWHERE: HeaderValue = HeaderValue::from_static("boutique");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const ACCEPTED_METHOD: &str = "pm_card_ok";
const DECLINED_METHOD: &str = "pm_card_declined";

/// What can be asked for.
#[derive(Debug)]
pub struct Orders {
    /// Headers with their tokens.
    customers: Vec<HeaderValue>,
    stocked: Vec<Bodies>,
    empty: Vec<Bodies>,
    mix: Mix,
    seed: u64,
    /// Before each idempotency key, so that no other run has the same ones.
    run: String,
}

/// The bodies of all orders of one SKU.
#[derive(Debug)]
struct Bodies {
    accepted: Bytes,
    declined: Bytes,
    unpaid: Bytes,
}

/// An order that is to be placed.
#[derive(Debug)]
pub struct NewOrder {
    pub kind: Kind,
    /// Whose, by their position among the customers.
    pub customer: usize,
    pub request: Request<Full<Bytes>>,
}

impl Orders {
    pub fn new(plan: &Plan) -> Result<Self> {
        let customers = plan.customers.iter().map(|token| bearer(token));
        Ok(Self {
            customers: customers.collect::<Result<_>>()?,
            stocked: plan.skus.iter().map(|sku| Bodies::of(sku)).collect(),
            empty: plan.empty_skus.iter().map(|sku| Bodies::of(sku)).collect(),
            mix: plan.mix,
            seed: plan.seed,
            run: Uuid::now_v7().simple().to_string(),
        })
    }

    /// The order at a position of the run.
    pub fn order(&self, position: u64) -> Result<NewOrder> {
        let drawn = draw(self.seed, position);
        // The lower half chooses the kind, the upper one the SKU.
        let kind = self.mix.pick(drawn & u64::from(u32::MAX));
        let skus = if kind == Kind::OutOfStock { &self.empty } else { &self.stocked };
        let bodies = at(skus, drawn >> 32).context("no SKU")?;
        let body = match kind {
            Kind::Completed | Kind::OutOfStock => &bodies.accepted,
            Kind::Declined => &bodies.declined,
            Kind::Cancelled | Kind::PaidLater => &bodies.unpaid,
        };
        let customer = index(position, self.customers.len()).context("no customer")?;
        let key = HeaderValue::try_from(format!("{}-{position:x}", self.run))?;
        let mut request =
            self.post(customer, Uri::from_static("/api/orders"), Full::new(body.clone()))?;
        request.headers_mut().insert(IDEMPOTENCY_KEY, key);
        Ok(NewOrder { kind, customer, request })
    }

    /// Cancels an order of a customer's.
    pub fn cancel(&self, customer: usize, order: OrderId) -> Result<Request<Full<Bytes>>> {
        self.post(customer, format!("/api/orders/{order}/cancel").parse()?, Full::default())
    }

    /// Pays one.
    pub fn pay(&self, customer: usize, order: OrderId) -> Result<Request<Full<Bytes>>> {
        let body = format!(r#"{{"orderId":"{order}","paymentMethod":"{ACCEPTED_METHOD}"}}"#);
        self.post(customer, Uri::from_static("/api/payments/pay"), Full::new(body.into()))
    }

    fn post(&self, customer: usize, uri: Uri, body: Full<Bytes>) -> Result<Request<Full<Bytes>>> {
        let token = self.customers.get(customer).context("no such customer")?;
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.insert(HOST, ANYWHERE);
        headers.insert(CONTENT_TYPE, JSON);
        headers.insert(AUTHORIZATION, token.clone());
        Ok(request)
    }
}

/// Asks for the stream of a customer's changes.
pub fn changes(token: &str) -> Result<Request<Full<Bytes>>> {
    let request = Request::get("/api/orders/events").header(HOST, ANYWHERE);
    Ok(request.header(AUTHORIZATION, bearer(token)?).body(Full::default())?)
}

/// The id in the answer to an order.
pub fn id(answer: &[u8]) -> Result<OrderId> {
    const BEFORE: &[u8] = br#""id":""#;
    let starts = answer.windows(BEFORE.len()).position(|window| window == BEFORE);
    let rest = starts.and_then(|at| answer.get(at + BEFORE.len()..)).context("no id")?;
    let id = rest.split(|byte| *byte == b'"').next().unwrap_or_default();
    Ok(OrderId::from_str(std::str::from_utf8(id)?)?)
}

fn bearer(token: &str) -> Result<HeaderValue> {
    HeaderValue::try_from(format!("Bearer {token}")).context("a token with odd characters")
}

impl Bodies {
    fn of(sku: &str) -> Self {
        let lines = format!(r#""items":[{{"sku":"{sku}","qty":1}}]"#);
        let with = |method: &str| Bytes::from(format!(r#"{{{lines},"paymentMethod":"{method}"}}"#));
        let unpaid = Bytes::from(format!("{{{lines}}}"));
        let (accepted, declined) = (with(ACCEPTED_METHOD), with(DECLINED_METHOD));
        Self { accepted, declined, unpaid }
    }
}

fn at<T>(of: &[T], drawn: u64) -> Option<&T> {
    of.get(index(drawn, of.len())?)
}

fn index(drawn: u64, count: usize) -> Option<usize> {
    usize::try_from(drawn.checked_rem(u64::try_from(count).ok()?)?).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn bodies_are_orders() {
        let bodies = Bodies::of("MUG-1");
        let read = |body: &Bytes| serde_json::from_slice::<Value>(body).unwrap();
        let items = json!([{"sku": "MUG-1", "qty": 1}]);
        assert_eq!(read(&bodies.unpaid), json!({"items": items}));
        let paid = json!({"items": items, "paymentMethod": "pm_card_ok"});
        assert_eq!(read(&bodies.accepted), paid);
        let declined = json!({"items": items, "paymentMethod": "pm_card_declined"});
        assert_eq!(read(&bodies.declined), declined);
    }

    #[test]
    fn the_id_is_found_in_the_answer() {
        let order = OrderId::from_uuid(Uuid::from_u128(7));
        let answer = format!(r#"{{"id":"{order}","status":"PENDING"}}"#);
        assert_eq!(id(answer.as_bytes()).unwrap(), order);
        for wrong in ["", r#"{"status":"PENDING"}"#, r#"{"id":"ord_"}"#, r#"{"id":""#] {
            assert!(id(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
