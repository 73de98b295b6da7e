//! A product of the catalogue, and what may happen to it.

use chrono::{DateTime, Utc};
use contracts::{
    events::{Event, ProductCreated, ProductDiscontinued, ProductUpdated},
    ids::Sku,
    money::{Amount, Currency, Money, MoneyError},
    trace::TraceId,
};
use service_kit::http::Expected;

/// The most a product may cost, in minor units.
pub const MAX_PRICE_MINOR: i64 = 1_000_000_000;
/// The longest name, in characters.
pub const MAX_NAME: usize = 200;
/// The longest description, in characters.
pub const MAX_DESCRIPTION: usize = 2000;
/// The longest category, in characters.
pub const MAX_CATEGORY: usize = 64;

/// A product as the catalogue has it. How much of it there is belongs to the inventory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// Its key.
    pub sku: Sku,
    /// What customers read first.
    pub name: String,
    /// What customers read next; may be empty.
    pub description: String,
    /// The shelf it is on.
    pub category: String,
    /// Of one piece.
    pub price: Money,
    /// 1 for a new product; grows by one with every change.
    pub version: u64,
    /// Since when it can no longer be ordered.
    pub discontinued_at: Option<DateTime<Utc>>,
    /// When it came into the catalogue.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// A product to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewProduct {
    /// Its key.
    pub sku: Sku,
    /// See [`Product::name`].
    pub name: String,
    /// See [`Product::description`].
    pub description: String,
    /// See [`Product::category`].
    pub category: String,
    /// Of one piece.
    pub price: Amount,
    /// Of the price; never changes.
    pub currency: Currency,
}

/// What of a product is to change; the rest stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// See [`Product::name`].
    pub name: Option<String>,
    /// See [`Product::description`].
    pub description: Option<String>,
    /// See [`Product::category`].
    pub category: Option<String>,
    /// In the product's currency.
    pub price: Option<Amount>,
}

/// What an admin asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Put a product into the catalogue.
    Create(NewProduct),
    /// Change a product.
    Change(Changes, Expected),
    /// Take a product off the shelves. Asked for again, it is done already.
    Discontinue(Expected),
}

/// What comes of a command: the product as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is new.
    Created(Product),
    /// It changed.
    Changed(Product),
    /// It can no longer be ordered.
    Discontinued(Product),
    /// It was so already; nobody needs to hear of it.
    Unchanged(Product),
}

/// Why a command cannot be carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// There is a product of that SKU, perhaps a discontinued one.
    Taken,
    /// There is no such product.
    Unknown,
    /// The product has changed since the command was thought of.
    OtherVersion,
    /// The product is discontinued and stays as it was.
    Discontinued,
    /// There is nothing in the change.
    Empty,
    /// A field has a value it must not have.
    Invalid {
        /// As the client calls it.
        field: &'static str,
        /// What it must be, to follow the field's name.
        must: String,
    },
}

/// Decides what comes of a command. `state` is the product of the command's SKU, if there is one.
pub fn decide(
    state: Option<Product>,
    command: Command,
    now: DateTime<Utc>,
) -> Result<Outcome, Refusal> {
    match (state, command) {
        (None, Command::Create(new)) => create(new, now).map(Outcome::Created),
        (Some(_), Command::Create(_)) => Err(Refusal::Taken),
        (None, Command::Change(..) | Command::Discontinue(_)) => Err(Refusal::Unknown),
        (Some(product), Command::Change(changes, expected)) => {
            change(product, changes, &expected, now)
        }
        // Before the version is looked at: whoever repeats the request has the old one.
        (Some(product), Command::Discontinue(_)) if product.discontinued_at.is_some() => {
            Ok(Outcome::Unchanged(product))
        }
        (Some(product), Command::Discontinue(expected)) => {
            if !expected.includes(product.version) {
                return Err(Refusal::OtherVersion);
            }
            let discontinued_at = Some(now);
            let version = product.version + 1;
            Ok(Outcome::Discontinued(Product {
                discontinued_at,
                version,
                updated_at: now,
                ..product
            }))
        }
    }
}

fn create(new: NewProduct, now: DateTime<Utc>) -> Result<Product, Refusal> {
    Ok(Product {
        sku: sku(new.sku)?,
        name: name(&new.name)?,
        description: description(&new.description)?,
        category: category(&new.category)?,
        price: price(new.price, new.currency)?,
        version: 1,
        discontinued_at: None,
        created_at: now,
        updated_at: now,
    })
}

fn change(
    product: Product,
    changes: Changes,
    expected: &Expected,
    now: DateTime<Utc>,
) -> Result<Outcome, Refusal> {
    if changes == Changes::default() {
        return Err(Refusal::Empty);
    }
    if !expected.includes(product.version) {
        return Err(Refusal::OtherVersion);
    }
    if product.discontinued_at.is_some() {
        return Err(Refusal::Discontinued);
    }
    let mut next = product.clone();
    if let Some(text) = changes.name {
        next.name = name(&text)?;
    }
    if let Some(text) = changes.description {
        next.description = description(&text)?;
    }
    if let Some(text) = changes.category {
        next.category = category(&text)?;
    }
    if let Some(amount) = changes.price {
        next.price = price(amount, product.price.currency)?;
    }
    if next == product {
        return Ok(Outcome::Unchanged(product));
    }
    Ok(Outcome::Changed(Product { version: product.version + 1, updated_at: now, ..next }))
}

impl Outcome {
    /// The product as it is now.
    pub fn product(&self) -> &Product {
        match self {
            Self::Created(product)
            | Self::Changed(product)
            | Self::Discontinued(product)
            | Self::Unchanged(product) => product,
        }
    }

    /// The same, to keep.
    pub fn into_product(self) -> Product {
        match self {
            Self::Created(product)
            | Self::Changed(product)
            | Self::Discontinued(product)
            | Self::Unchanged(product) => product,
        }
    }

    /// What the other services are to hear of it.
    pub fn event(&self, trace_id: TraceId) -> Option<Event> {
        match self {
            Self::Created(product) => Some(Event::from(ProductCreated {
                sku: product.sku.clone(),
                name: product.name.clone(),
                price: product.price.amount(),
                currency: product.price.currency,
                version: product.version,
                created_at: product.created_at,
                trace_id,
            })),
            Self::Changed(product) => Some(Event::from(ProductUpdated {
                sku: product.sku.clone(),
                name: product.name.clone(),
                price: product.price.amount(),
                currency: product.price.currency,
                version: product.version,
                updated_at: product.updated_at,
                trace_id,
            })),
            Self::Discontinued(product) => Some(Event::from(ProductDiscontinued {
                sku: product.sku.clone(),
                version: product.version,
                discontinued_at: product.updated_at,
                trace_id,
            })),
            Self::Unchanged(_) => None,
        }
    }
}

/// A path that ends in `.` or `..` means another one: nobody could ask for the product.
fn sku(sku: Sku) -> Result<Sku, Refusal> {
    if matches!(sku.as_str(), "." | "..") {
        let must = "must not be `.` or `..`, since it is part of a path".to_owned();
        return Err(Refusal::Invalid { field: "sku", must });
    }
    Ok(sku)
}

fn name(text: &str) -> Result<String, Refusal> {
    line("name", text, MAX_NAME)
}

fn category(text: &str) -> Result<String, Refusal> {
    line("category", text, MAX_CATEGORY)
}

/// A text that is shown on one line and must be there.
fn line(field: &'static str, text: &str, longest: usize) -> Result<String, Refusal> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > longest {
        let must = format!("must have 1 to {longest} characters that are not all spaces");
        return Err(Refusal::Invalid { field, must });
    }
    if text.contains(char::is_control) {
        let must = "must be one line without control characters".to_owned();
        return Err(Refusal::Invalid { field, must });
    }
    Ok(text.to_owned())
}

fn description(text: &str) -> Result<String, Refusal> {
    let text = text.trim();
    if text.chars().count() > MAX_DESCRIPTION {
        let must = format!("must have at most {MAX_DESCRIPTION} characters");
        return Err(Refusal::Invalid { field: "description", must });
    }
    Ok(text.to_owned())
}

fn price(amount: Amount, currency: Currency) -> Result<Money, Refusal> {
    let invalid = |must| Refusal::Invalid { field: "price", must };
    let bounds = || {
        let most = Money { minor: MAX_PRICE_MINOR, currency };
        invalid(format!("must be from 0 to {} {currency}", most.amount()))
    };
    match Money::from_amount(amount, currency) {
        Ok(price) if (0..=MAX_PRICE_MINOR).contains(&price.minor) => Ok(price),
        Ok(_) | Err(MoneyError::OutOfRange) => Err(bounds()),
        Err(error) => Err(invalid(error.to_string())),
    }
}

#[cfg(test)]
mod tests;
