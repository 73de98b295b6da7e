//! Who reads what whom has written, and what may therefore not change.

use std::collections::BTreeSet;

use serde_json::Value;

/// Why a change breaks somebody; `None` where it breaks nobody.
pub(super) struct Rules {
    /// A field that is gone.
    pub(super) removed: &'static str,
    /// A field that must be there from now on.
    pub(super) required: Option<&'static str>,
    /// A field that need not be there any more.
    pub(super) optional: Option<&'static str>,
    /// A member of an enumeration that is gone, and whatever else allows less than before.
    pub(super) narrower: Option<&'static str>,
    /// A new member, and whatever else allows more.
    pub(super) wider: Option<&'static str>,
}

/// Consumers of the last release read the records of this one, and its own those of before.
pub(super) const RECORDS: Rules = Rules {
    removed: "consumers read it",
    required: Some("records without it were published"),
    optional: Some("released consumers refuse records without it"),
    narrower: Some("records with it were published"),
    wider: Some("released consumers refuse it"),
};

/// Services of this release read what clients of the last one send.
pub(super) const REQUESTS: Rules = Rules {
    removed: "clients send it",
    required: Some("clients leave it out"),
    optional: None,
    narrower: Some("clients send it"),
    wider: None,
};

/// Clients of the last release read what services of this one answer.
pub(super) const ANSWERS: Rules = Rules {
    removed: "clients read it",
    required: None,
    optional: Some("clients rely on it"),
    narrower: None,
    wider: Some("clients do not know it"),
};

impl Rules {
    /// Whether a keyword of a schema may not change so.
    pub(super) fn forbid(
        &self,
        keyword: &str,
        before: Option<&Value>,
        after: Option<&Value>,
    ) -> bool {
        let (narrower, wider) = change(keyword, before, after);
        (narrower && self.narrower.is_some()) || (wider && self.wider.is_some())
    }
}

/// Whether less is allowed than before, and whether more is; both where that cannot be told.
fn change(keyword: &str, before: Option<&Value>, after: Option<&Value>) -> (bool, bool) {
    if before == after {
        return (false, false);
    }
    let (Some(before), Some(after)) = (before, after) else {
        // All that a keyword does is to forbid.
        return (before.is_none(), after.is_none());
    };
    let grew = before.as_f64().zip(after.as_f64()).map(|(before, after)| before < after);
    match (keyword, grew) {
        ("type", _) => {
            let (before, after) = (types(before), types(after));
            (!before.is_subset(&after), !after.is_subset(&before))
        }
        ("maximum" | "maxLength" | "maxItems", Some(grew)) => (!grew, grew),
        ("minimum" | "minLength" | "minItems", Some(grew)) => (grew, !grew),
        _ => (true, true),
    }
}

/// The names of one type or of several.
fn types(of: &Value) -> BTreeSet<&str> {
    let several = of.as_array().into_iter().flatten().filter_map(Value::as_str);
    of.as_str().into_iter().chain(several).collect()
}
