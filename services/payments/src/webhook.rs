//! Answers that the provider gives by itself: whether they are its own, and what they say. Pure.

use chrono::{DateTime, TimeDelta, Utc};
use contracts::ids::{OrderId, PaymentId};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use utoipa::ToSchema;

use crate::cause::Answer;

/// The header with the signature: `t=<seconds since 1970>,v1=<hex>`, where the hex digits are the
/// HMAC-SHA256 of the seconds, a full stop and the body. Of several `v1` one must be right, so that
/// the secret can be changed.
pub const SIGNATURE: &str = "webhook-signature";

/// How far the time of a signature may be from ours. Older ones may be replays.
const TOLERANCE: TimeDelta = TimeDelta::minutes(5);

/// The longest text in it.
const MAX_TEXT: usize = 200;

/// An answer of the provider. Fields that are not known here are ignored.
#[derive(Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Webhook {
    /// Names this event, for the provider's log and ours.
    #[schema(example = "evt_1")]
    pub id: String,
    /// What has happened.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// The order, as the request has named it.
    #[schema(value_type = String, example = "ord_01h455vb4pex5vsknk084sn02q")]
    pub order_id: OrderId,
    /// The payment whose request is answered.
    #[schema(value_type = String, example = "pay_01h455vb4pex5vsknk084sn02q")]
    pub payment_id: PaymentId,
    /// The provider's name for the authorisation; there with `authorized`.
    pub reference: Option<String>,
    /// Why not; there with `declined`.
    pub reason: Option<String>,
}

/// What the provider has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The money is set aside.
    Authorized,
    /// The money will not be set aside.
    Declined,
    /// The money is taken.
    Captured,
    /// The money is free again.
    Cancelled,
    /// The money was given back.
    Refunded,
}

/// What is wrong with a webhook.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// Not signed, or not with the secret.
    #[error("the signature is missing or wrong")]
    Signature,
    /// Signed too long ago, or in the future.
    #[error("the signature is not of the last five minutes")]
    Stale,
    /// A text that is missing, too long or has control characters.
    #[error("must have 1 to {MAX_TEXT} bytes, and no control characters")]
    Text(&'static str),
}

/// Whether a body was signed with the secret, not long ago.
pub fn verify(
    secret: &str,
    signature: &str,
    body: &[u8],
    now: DateTime<Utc>,
) -> Result<(), WebhookError> {
    let values = |name: &'static str| {
        let parts = signature.split(',').filter_map(|part| part.trim().split_once('='));
        parts.filter(move |(key, _)| *key == name).map(|(_, value)| value)
    };
    let time = values("t").next().ok_or(WebhookError::Signature)?;
    let signed = values("v1").filter_map(decode_hex).any(|code| {
        // A key of any length will do.
        Hmac::<Sha256>::new_from_slice(secret.as_bytes()).is_ok_and(|mac| {
            mac.chain_update(time).chain_update(".").chain_update(body).verify_slice(&code).is_ok()
        })
    });
    if !signed {
        return Err(WebhookError::Signature);
    }
    let time = time.parse().ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    let age = now - time.ok_or(WebhookError::Signature)?;
    if age.abs() > TOLERANCE { Err(WebhookError::Stale) } else { Ok(()) }
}

fn decode_hex(text: &str) -> Option<Vec<u8>> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    let pair = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    pairs.iter().map(pair).collect()
}

impl Webhook {
    /// The answer it brings.
    pub fn answer(self) -> Result<Answer, WebhookError> {
        Ok(match self.kind {
            Kind::Authorized => {
                Answer::Authorized { reference: text("reference", self.reference)? }
            }
            Kind::Declined => Answer::Declined(text("reason", self.reason)?.as_str().into()),
            Kind::Captured => Answer::Captured,
            Kind::Cancelled => Answer::Cancelled,
            Kind::Refunded => Answer::Refunded,
        })
    }
}

fn text(field: &'static str, text: Option<String>) -> Result<String, WebhookError> {
    let fits =
        |text: &String| (1..=MAX_TEXT).contains(&text.len()) && !text.chars().any(char::is_control);
    text.filter(fits).ok_or(WebhookError::Text(field))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BODY: &[u8] = br#"{"id":"evt_1"}"#;
    /// Of `1755253800.{"id":"evt_1"}` with the secret `whsec`, by openssl.
    const CODE: &str = "3bfa477f29d1673fcc8cadb09e1923b1c5bff7684eef528163d69d6ba92d4509";

    fn verified(signature: &str, age: TimeDelta) -> Result<(), WebhookError> {
        let now = DateTime::from_timestamp(1_755_253_800, 0).unwrap() + age;
        verify("whsec", signature, BODY, now)
    }

    #[test]
    fn a_fresh_signature_is_taken_and_an_old_one_or_one_to_come_is_not() {
        let signature = format!("t=1755253800,v1={CODE}");
        for seconds in [-300, 0, 300] {
            assert_eq!(verified(&signature, TimeDelta::seconds(seconds)), Ok(()));
        }
        for seconds in [-301, 301, 1_000_000_000] {
            let refused = verified(&signature, TimeDelta::seconds(seconds));
            assert_eq!(refused, Err(WebhookError::Stale));
        }
    }

    #[test]
    fn one_right_code_among_several_is_enough() {
        let other = "00".repeat(32);
        let signature = format!("t=1755253800, v0=abc, v1={other}, v1={CODE}");
        assert_eq!(verified(&signature, TimeDelta::zero()), Ok(()));
    }

    #[test]
    fn what_was_not_signed_like_this_is_refused() {
        let upper_half = &CODE[..32];
        for signature in [
            String::new(),
            "t=1755253800".to_owned(),
            format!("v1={CODE}"),
            format!("t=1755253801,v1={CODE}"),
            format!("t=,v1={CODE}"),
            format!("t=1755253800,v0={CODE}"),
            format!("t=1755253800,v1={upper_half}"),
            format!("t=1755253800,v1={CODE}0"),
            "t=1755253800,v1=".to_owned(),
            "t=1755253800,v1=ää".to_owned(),
        ] {
            let refused = verified(&signature, TimeDelta::zero());
            assert_eq!(refused, Err(WebhookError::Signature), "{signature}");
        }
        let now = DateTime::from_timestamp(1_755_253_800, 0).unwrap();
        let signature = format!("t=1755253800,v1={CODE}");
        let other_body = verify("whsec", &signature, b"{}", now);
        assert_eq!(other_body, Err(WebhookError::Signature));
        let other_secret = verify("whsec2", &signature, BODY, now);
        assert_eq!(other_secret, Err(WebhookError::Signature));
    }

    proptest! {
        #[test]
        fn any_signature_and_body_are_refused(
            signature in prop_oneof!["\\PC{0,80}", "t=[0-9]{0,22},v1=[0-9a-zé]{0,70}(,v1=[0-9a-f]{64})?"],
            body in prop::collection::vec(any::<u8>(), 0..80),
        ) {
            let now = DateTime::from_timestamp(1_755_253_800, 0).unwrap();
            prop_assert_eq!(verify("whsec", &signature, &body, now), Err(WebhookError::Signature));
        }
    }

    #[test]
    fn a_body_brings_an_answer() {
        let answer = |json: &str| {
            let body = format!(
                r#"{{"id":"evt_1","orderId":"ord_01h455vb4pex5vsknk084sn02q",
                    "paymentId":"pay_01h455vb4pex5vsknk084sn02q","later":1,{json}}}"#
            );
            serde_json::from_str::<Webhook>(&body).unwrap().answer()
        };
        let authorized = answer(r#""type":"authorized","reference":"ref""#);
        assert_eq!(authorized, Ok(Answer::Authorized { reference: "ref".to_owned() }));
        let declined = answer(r#""type":"declined","reason":"LOST_CARD""#);
        assert_eq!(declined, Ok(Answer::Declined("LOST_CARD".into())));
        assert_eq!(answer(r#""type":"captured""#), Ok(Answer::Captured));
        assert_eq!(answer(r#""type":"authorized""#), Err(WebhookError::Text("reference")));
        let nul = answer(r#""type":"declined","reason":"\u0000""#);
        assert_eq!(nul, Err(WebhookError::Text("reason")));
    }
}
