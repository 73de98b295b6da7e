use proptest::prelude::*;

use super::*;

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_755_254_200, 0).unwrap()
}

fn later() -> DateTime<Utc> {
    now() + chrono::TimeDelta::hours(1)
}

fn new(price: &str, currency: &str) -> NewProduct {
    NewProduct {
        sku: "MUG".parse().unwrap(),
        name: "Mug".to_owned(),
        description: String::new(),
        category: "Kitchen".to_owned(),
        price: price.parse().unwrap(),
        currency: currency.parse().unwrap(),
    }
}

fn mug() -> Product {
    create(new("449.00", "INR"), now()).unwrap()
}

fn discontinued() -> Product {
    let outcome = decide(Some(mug()), Command::Discontinue(Expected::Any), later()).unwrap();
    outcome.into_product()
}

fn rename(name: &str) -> Changes {
    Changes { name: Some(name.to_owned()), ..Changes::default() }
}

fn invalid(result: Result<impl std::fmt::Debug, Refusal>) -> (&'static str, String) {
    match result.unwrap_err() {
        Refusal::Invalid { field, must } => (field, must),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_new_product_begins_at_version_1() {
    let outcome = decide(None, Command::Create(new("449.5", "INR")), now()).unwrap();
    let product = outcome.product();
    assert_eq!((product.version, product.created_at, product.updated_at), (1, now(), now()));
    let trace_id = TraceId::from_bytes([1; 16]);
    let Some(Event::ProductCreated(event)) = outcome.event(trace_id) else { panic!("{outcome:?}") };
    assert_eq!((event.version, event.price.to_string().as_str()), (1, "449.50"));
    assert_eq!(event.trace_id, trace_id);
}

#[test]
fn a_sku_is_taken_for_ever() {
    for product in [mug(), discontinued()] {
        let refusal = decide(Some(product), Command::Create(new("1", "INR")), now());
        assert_eq!(refusal, Err(Refusal::Taken));
    }
}

#[test]
fn what_is_not_there_cannot_change() {
    let change = Command::Change(rename("Cup"), Expected::Any);
    assert_eq!(decide(None, change, now()), Err(Refusal::Unknown));
    assert_eq!(decide(None, Command::Discontinue(Expected::Any), now()), Err(Refusal::Unknown));
}

#[test]
fn prices_have_the_digits_of_their_currency_and_bounds() {
    let of = |text, code| create(new(text, code), now());
    for (text, code, minor) in [
        ("0", "INR", 0),
        ("10000000.00", "INR", MAX_PRICE_MINOR),
        ("1000000000", "JPY", MAX_PRICE_MINOR),
        ("1.250", "KWD", 1250),
    ] {
        assert_eq!(of(text, code).unwrap().price.minor, minor, "{text} {code}");
    }
    for (text, code, must) in [
        ("1.005", "INR", "must not have more than 2 decimals"),
        ("1.0", "JPY", "must not have more than 0 decimals"),
        ("-0.01", "INR", "must be from 0 to 10000000.00 INR"),
        ("10000000.01", "INR", "must be from 0 to 10000000.00 INR"),
        ("9223372036854775807", "INR", "must be from 0 to 10000000.00 INR"),
        ("1000000001", "JPY", "must be from 0 to 1000000000 JPY"),
    ] {
        assert_eq!(invalid(of(text, code)), ("price", must.to_owned()), "{text} {code}");
    }
}

#[test]
fn texts_have_bounds_in_characters() {
    let with = |edit: fn(&mut NewProduct)| {
        let mut product = new("1", "INR");
        edit(&mut product);
        create(product, now())
    };
    assert_eq!(with(|p| p.name = format!(" {} ", "ä".repeat(200))).unwrap().name.len(), 400);
    assert_eq!(invalid(with(|p| p.name = "ä".repeat(201))).0, "name");
    assert_eq!(invalid(with(|p| p.name = " \u{a0}".to_owned())).0, "name");
    assert_eq!(invalid(with(|p| p.name = "a\nb".to_owned())).0, "name");
    assert_eq!(invalid(with(|p| p.category = String::new())).0, "category");
    assert_eq!(invalid(with(|p| p.category = "x".repeat(65))).0, "category");
    assert_eq!(with(|p| p.description = "a\nb".repeat(500)).unwrap().description.len(), 1500);
    assert_eq!(invalid(with(|p| p.description = "x".repeat(2001))).0, "description");
}

#[test]
fn a_change_is_for_the_version_it_names() {
    let change = |expected| decide(Some(mug()), Command::Change(rename("Cup"), expected), later());
    for expected in [Expected::Any, Expected::Versions(vec![1]), Expected::Versions(vec![7, 1])] {
        let outcome = change(expected).unwrap();
        let product = outcome.product();
        assert_eq!((product.version, product.name.as_str()), (2, "Cup"));
        assert_eq!((product.created_at, product.updated_at), (now(), later()));
        let event = outcome.event(TraceId::from_bytes([1; 16]));
        assert!(matches!(event, Some(Event::ProductUpdated(event)) if event.version == 2));
    }
    for expected in [Expected::Versions(vec![2]), Expected::Versions(vec![])] {
        assert_eq!(change(expected), Err(Refusal::OtherVersion));
    }
}

#[test]
fn a_change_that_changes_nothing_is_no_change() {
    let same = Changes {
        name: Some("  Mug".to_owned()),
        price: Some("449.0".parse().unwrap()),
        ..Changes::default()
    };
    let outcome = decide(Some(mug()), Command::Change(same, Expected::Any), later()).unwrap();
    assert_eq!(outcome, Outcome::Unchanged(mug()));
    assert_eq!(outcome.event(TraceId::from_bytes([1; 16])), None);
    let empty = Command::Change(Changes::default(), Expected::Any);
    assert_eq!(decide(Some(mug()), empty, later()), Err(Refusal::Empty));
}

#[test]
fn a_price_keeps_its_currency() {
    let changes = Changes { price: Some("1.005".parse().unwrap()), ..Changes::default() };
    let refused = decide(Some(mug()), Command::Change(changes, Expected::Any), later());
    assert_eq!(invalid(refused).0, "price");
    let changes = Changes { price: Some("9.5".parse().unwrap()), ..Changes::default() };
    let outcome = decide(Some(mug()), Command::Change(changes, Expected::Any), later()).unwrap();
    assert_eq!(outcome.product().price, Money { minor: 950, currency: Currency::INR });
}

#[test]
fn discontinued_is_an_end() {
    let product = discontinued();
    assert_eq!((product.version, product.discontinued_at), (2, Some(later())));
    let stale = Expected::Versions(vec![1]);
    let again = decide(Some(product.clone()), Command::Discontinue(stale), later());
    assert_eq!(again, Ok(Outcome::Unchanged(product.clone())));
    let change = Command::Change(rename("Cup"), Expected::Any);
    assert_eq!(decide(Some(product), change, later()), Err(Refusal::Discontinued));

    let other = Command::Discontinue(Expected::Versions(vec![2]));
    assert_eq!(decide(Some(mug()), other, later()), Err(Refusal::OtherVersion));
    let outcome = decide(Some(mug()), Command::Discontinue(Expected::Any), later()).unwrap();
    let event = outcome.event(TraceId::from_bytes([1; 16]));
    let Some(Event::ProductDiscontinued(event)) = event else { panic!("{outcome:?}") };
    assert_eq!((event.version, event.discontinued_at), (2, later()));
}

fn changes() -> impl Strategy<Value = Changes> {
    let text = || proptest::option::of(prop_oneof!["[a-c]{1,2}", "\\PC{0,70}"]);
    let price = proptest::option::of(prop_oneof!["[0-2]", "-?[0-9]{1,9}(\\.[0-9]{1,3})?"]);
    (text(), text(), text(), price).prop_map(|(name, description, category, price)| Changes {
        name,
        description,
        category,
        price: price.and_then(|text| text.parse().ok()),
    })
}

fn command() -> impl Strategy<Value = Command> {
    let expected = || {
        prop_oneof![
            Just(Expected::Any),
            proptest::collection::vec(1_u64..5, 0..3).prop_map(Expected::Versions),
        ]
    };
    prop_oneof![
        1 => Just(Command::Create(new("449.00", "INR"))),
        8 => (changes(), expected()).prop_map(|(changes, expected)| Command::Change(changes, expected)),
        1 => expected().prop_map(Command::Discontinue),
    ]
}

proptest! {
    /// Whatever admins ask for, in whatever order: each event tells of exactly one new version, and
    /// the product stays within its bounds, in its currency, and discontinued once it is.
    #[test]
    fn versions_count_the_events(commands in proptest::collection::vec(command(), 0..30)) {
        let mut state: Option<Product> = None;
        for command in commands {
            let Ok(outcome) = decide(state.clone(), command, now()) else { continue };
            let before = state.as_ref().map_or(0, |product| product.version);
            let told = outcome.event(TraceId::from_bytes([1; 16])).is_some();
            let product = outcome.into_product();
            prop_assert_eq!(product.version, before + u64::from(told));
            if let Some(state) = &state {
                prop_assert!(told || *state == product);
                prop_assert!(state.discontinued_at.is_none() || !told);
            }
            prop_assert!((0..=MAX_PRICE_MINOR).contains(&product.price.minor));
            prop_assert_eq!(product.price.currency, Currency::INR);
            prop_assert!((1..=MAX_NAME).contains(&product.name.chars().count()));
            prop_assert!((1..=MAX_CATEGORY).contains(&product.category.chars().count()));
            state = Some(product);
        }
    }
}
