//! Which e-mail addresses somebody can sign up with. Pure.
//!
//! Stricter than the standards, which allow quotes, comments, brackets and all of Unicode: what
//! passes here every mail server takes, and it means one mailbox to all of them. Domains in other
//! scripts pass as `xn--…`.

/// Whether mail can be sent to an address in lower case.
pub fn is_writable(email: &str) -> bool {
    email.split_once('@').is_some_and(|(name, domain)| is_name(name) && is_domain(domain))
}

/// Atoms with dots in between, as RFC 5321 has them.
fn is_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b);
    name.len() <= 64 && name.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(allowed))
}

fn is_domain(domain: &str) -> bool {
    // Without letters the last label is part of an IP address.
    let top = domain.rsplit('.').next().unwrap_or_default();
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    domain.len() <= 253 && domain.split('.').all(label) && !top.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use lettre::Address;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_of_people() {
        for good in [
            "asha@example.org",
            "a@b",
            "asha.rao+shop@mail.example.co.in",
            "o'hara_1=x@xn--bcher-kva.example",
            "7@7.example",
            &format!("{}@{}.example", "a".repeat(64), "b".repeat(63)),
        ] {
            assert!(is_writable(good), "{good}");
        }
    }

    #[test]
    fn addresses_of_nobody_or_of_several() {
        for bad in [
            "",
            "@",
            "asha",
            "asha@",
            "@example.org",
            "a@b@c",
            "victim@a.org,me@b.org",
            "victim@a.org, me@b.org",
            "<v@b.c>",
            "asha <v@b.c>",
            "a@b;c",
            "a;b@c",
            "\"x\"1@b.c",
            "\"x\"@b.c",
            "a(b)@c.org",
            "as\u{200b}ha@example.org",
            "asha@exam\u{200d}ple.org",
            "asha@example.org\u{feff}",
            "\u{202e}asha@example.org",
            "ash\u{430}@example.org",
            "asha@b\u{fc}cher.example",
            ".asha@example.org",
            "asha.@example.org",
            "as..ha@example.org",
            "asha@.org",
            "asha@example.",
            "asha@example..org",
            "asha@-example.org",
            "asha@example-.org",
            "asha@exam_ple.org",
            "asha@[192.0.2.1]",
            "asha@192.0.2.1",
            &format!("{}@example.org", "a".repeat(65)),
            &format!("asha@{}.org", "b".repeat(64)),
            &format!("asha@{}.org", "b".repeat(200)),
            &format!("asha@{}", ["b"; 128].join(".")),
        ] {
            assert!(!is_writable(bad), "{bad:?}");
        }
    }

    proptest! {
        /// The mailer reads addresses with this library.
        #[test]
        fn what_passes_the_mailer_can_write_to(email in "[a-c.+\"<>@é-]{1,5}@?[a-c0-1.,;@é\u{200b}\\[\\]-]{1,8}") {
            if is_writable(&email) {
                let address: Address = email.parse().unwrap();
                prop_assert_eq!(format!("{}@{}", address.user(), address.domain()), email.clone());
                prop_assert_eq!(email.matches('@').count(), 1);
            }
        }

        #[test]
        fn nothing_invisible_or_ambiguous_passes(name in "\\PC{0,6}", domain in "\\PC{0,6}") {
            let email = format!("{name}@{domain}");
            let plain = |c: char| c.is_ascii_graphic() && !"()<>[]:;,\\\"".contains(c);
            prop_assert!(!is_writable(&email) || email.chars().all(plain));
        }

        #[test]
        fn plain_ones_pass(email in "[a-z0-9_+-]{1,20}(\\.[a-z0-9]{1,9})?@([a-z0-9]{1,9}\\.){0,3}[a-z]{2,9}") {
            prop_assert!(is_writable(&email) && email.parse::<Address>().is_ok(), "{}", email);
        }
    }
}
