//! Whether the mails in the folder are those that customers were to get. Pure, but for the reading.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result};
use contracts::ids::CustomerId;
use uuid::Uuid;

use super::kept::{Kept, Notification};
use super::violation::{Breach, Violation};

/// A mail as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// To whom.
    pub to: String,
    /// About what: the order, and how it stands.
    pub subject: String,
}

/// What each mail in the file begins with.
const START: &str = "\nFrom MAILER-DAEMON Thu Jan  1 00:00:00 1970\n";

/// Reads the folder: mails by the ids of their notifications, which are in their Message-IDs. One that is sent
/// again, as after a crash, has the same and takes the place of the first.
pub fn read(folder: &Path) -> Result<BTreeMap<String, Mail>> {
    let file = folder.join("mail.mbox");
    let text = match fs::read_to_string(&file) {
        // It is made with the first mail.
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        text => text.with_context(|| format!("cannot read {}", file.display()))?,
    };
    Ok(text.split(START).skip(1).filter_map(parse).collect())
}

/// None where a process was killed half way; another one has written it again, then.
fn parse(mail: &str) -> Option<(String, Mail)> {
    let (head, _) = mail.split_once("\n\n")?;
    let header = |name| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let id = header("Message-ID:")?.strip_prefix('<')?.split('@').next()?;
    Some((
        id.to_owned(),
        Mail { to: header("To:")?.to_owned(), subject: header("Subject:")?.to_owned() },
    ))
}

/// Compares them with the notifications.
pub fn compare(mails: &BTreeMap<String, Mail>, kept: &Kept) -> Vec<Violation> {
    let notifications: BTreeMap<String, &Notification> =
        kept.notifications.iter().map(|(id, told)| (id.to_string(), told)).collect();
    let named = |told: &Notification| format!("{} of {}", told.kind, told.order_id);
    let unwritten = notifications.iter().filter(|(id, _)| !mails.contains_key(*id));
    let unwritten = unwritten.map(|(_, told)| named(told)).collect();

    let unknown = mails.keys().filter(|name| !notifications.contains_key(*name)).cloned().collect();

    let address = |customer: Option<Uuid>| {
        let user = kept.users.get(&CustomerId::from_uuid(customer?))?;
        Some(user.email.as_str())
    };
    let both = mails.iter().filter_map(|(name, mail)| Some((mail, *notifications.get(name)?)));
    let astray = both.filter(|(mail, told)| {
        mail.subject != told.subject || address(told.customer_id) != Some(&mail.to)
    });
    let astray = astray.map(|(_, told)| named(told)).collect();

    let mut by_subject: BTreeMap<&str, usize> = BTreeMap::new();
    for mail in mails.values() {
        *by_subject.entry(&mail.subject).or_default() += 1;
    }
    let twice = by_subject.into_iter().filter(|(_, count)| *count > 1);
    let twice = twice.map(|(subject, _)| subject.to_owned()).collect();

    let violations = [
        (Breach::NotificationMissing, "a mail was written for every notification", unwritten),
        (Breach::NotificationDoubled, "there is no mail but for a notification", unknown),
        (Breach::NotificationMissing, "a mail tells its customer of its order", astray),
        (Breach::NotificationDoubled, "there is one mail for each order and kind", twice),
    ];
    let violations = violations.into_iter();
    violations.filter_map(|(breach, rule, broken)| Violation::of(breach, rule, broken)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::example::{EMAIL, kept};

    fn mails() -> BTreeMap<String, Mail> {
        let told = kept().notifications.into_iter();
        told.map(|(id, told)| (id.to_string(), Mail { to: EMAIL.into(), subject: told.subject }))
            .collect()
    }

    fn found(mails: &BTreeMap<String, Mail>) -> Vec<(Breach, usize)> {
        compare(mails, &kept()).iter().map(|found| (found.breach, found.count)).collect()
    }

    #[test]
    fn a_mail_is_read_by_its_head() {
        let head = "Message-ID: <7@shop>\nFrom: a@b\nTo: c@d\nSubject: Your order: x\n";
        let mail = Mail { to: "c@d".into(), subject: "Your order: x".into() };
        assert_eq!(parse(&format!("{head}\nTo: nobody\n")), Some(("7".to_owned(), mail)));
        assert_eq!(parse(head), None, "half a mail");
    }

    #[test]
    fn each_mail_is_there_once_and_goes_to_its_customer() {
        assert_eq!(found(&mails()), []);
        let (name, mail) = mails().pop_first().unwrap();

        let mut missing = mails();
        missing.remove(&name);
        assert_eq!(found(&missing), [(Breach::NotificationMissing, 1)]);

        let mut twice = mails();
        twice.insert("another".into(), mail.clone());
        let doubled = (Breach::NotificationDoubled, 1);
        assert_eq!(found(&twice), [doubled, doubled]);

        for astray in [
            Mail { to: "eve@example.org".into(), ..mail.clone() },
            Mail { subject: "Your order".into(), ..mail },
        ] {
            let mut mails = mails();
            mails.insert(name.clone(), astray);
            assert_eq!(found(&mails), [(Breach::NotificationMissing, 1)]);
        }
    }
}
