//! Addresses with fields of a request in them.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Url;

use crate::{
    evidence::{Facts, Field, Template, TemplateError, Trouble},
    tls,
};

/// What RFC 3986 lets stand for itself anywhere stays; everything else of a value is encoded.
const VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Why nobody can be asked there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// The fields in it.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// It is no URL, or a field is in its host.
    #[error("no URL with a fixed host: write https://HOST/…, with fields only after the host's slash")]
    NoUrl,
    /// It would be spoken in the clear.
    #[error("it has to be https://; http:// is for addresses of this host only")]
    InTheClear,
    /// There are secrets in it, or a part that is never sent.
    #[error("there is a user, a password or a # in it: put secrets into headers_file, and leave the rest out")]
    Superfluous,
}

/// An address with a fixed host.
#[derive(Clone, Debug)]
pub(super) struct Address {
    template: Template,
    pub(super) is_local: bool,
}

impl Address {
    pub(super) fn parse(text: &str) -> Result<Self, AddressError> {
        let template = Template::parse(text)?;
        let leading = template.leading_text();
        let (_, after_scheme) = leading.split_once("://").ok_or(AddressError::NoUrl)?;
        let url = Url::parse(leading).map_err(|_| AddressError::NoUrl)?;
        if !after_scheme.contains('/') || !url.has_host() {
            return Err(AddressError::NoUrl);
        }
        if !url.username().is_empty() || url.password().is_some() || template.texts().any(|text| text.contains('#')) {
            return Err(AddressError::Superfluous);
        }
        let is_local = tls::is_local(&url);
        match url.scheme() {
            "https" => {}
            "http" if is_local => {}
            "http" => return Err(AddressError::InTheClear),
            _ => return Err(AddressError::NoUrl),
        }
        Ok(Self { template, is_local })
    }

    pub(super) fn fields(&self) -> impl Iterator<Item = Field> + '_ {
        self.template.fields()
    }

    /// The address for a request.
    pub(super) fn fill(&self, facts: &Facts) -> Result<Url, Trouble> {
        let filled = self.template.fill(facts, |value| utf8_percent_encode(value, VALUE).to_string())?;
        Url::parse(&filled).map_err(|error| Trouble::Useless(format!("{filled:?} is no address: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::evidence::samples::{facts, token_transfer};

    #[test]
    fn values_go_where_their_fields_are() {
        let address = Address::parse("https://pay.example/v1/payments/{id}?cents={amount:4}&to={recipient}").unwrap();
        assert_eq!(
            address.fill(&token_transfer(10_500_000)).unwrap().as_str(),
            "https://pay.example/v1/payments/0a0a0a0a-0a0a-0a0a-0a0a-0a0a0a0a0a0a?cents=1050&to=0x00000000000000000000000000000000000000b0"
        );
    }

    #[test]
    fn only_addresses_that_are_safe_to_ask_are_taken() {
        for right in
            ["https://pay.example/{id}", "http://127.0.0.1:80/{id}", "http://localhost/?id={id}", "http://[::1]:9/{id}"]
        {
            assert!(Address::parse(right).is_ok(), "{right}");
        }
        for (wrong, error) in [
            ("http://pay.example/{id}", AddressError::InTheClear),
            ("http://127.0.0.1.pay.example/{id}", AddressError::InTheClear),
            ("https://{id}.pay.example/", AddressError::NoUrl),
            ("https://pay.example{id}/", AddressError::NoUrl),
            ("https://pay.example:{ring}/", AddressError::NoUrl),
            ("{id}", AddressError::NoUrl),
            ("pay.example/{id}", AddressError::NoUrl),
            ("ftp://pay.example/{id}", AddressError::NoUrl),
            ("https:///{id}", AddressError::NoUrl),
            ("https://key:secret@pay.example/{id}", AddressError::Superfluous),
            ("https://pay.example/{id}#x", AddressError::Superfluous),
        ] {
            assert_eq!(Address::parse(wrong).err(), Some(error), "{wrong}");
        }
    }

    proptest! {
        /// Whatever is asked for, only values differ: neither the host nor the number of steps, nor what the query asks.
        #[test]
        fn no_value_changes_the_structure(facts in facts(), at in 0usize..10) {
            let field = Field::ALL[at];
            let name = field.name();
            let address = Address::parse(&format!("https://pay.example:8443/a/{{{name}}}/b.{{{name}}}?x={{{name}}}&y=1")).unwrap();
            let url = address.fill(&facts).unwrap();
            let value = facts.text(field).unwrap();
            prop_assert_eq!((url.scheme(), url.host_str(), url.port()), ("https", Some("pay.example"), Some(8443)));
            let steps: Vec<&str> = url.path_segments().unwrap().collect();
            prop_assert_eq!(steps, ["a", &value, &format!("b.{value}")]);
            let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
            prop_assert_eq!(pairs, [("x".to_owned(), value), ("y".to_owned(), "1".to_owned())]);
            prop_assert_eq!(url.fragment(), None);
        }

        #[test]
        fn any_text_is_parsed_without_a_panic(text in "https://[a-z{}.:/@#?\\[\\]]{0,20}|.{0,20}") {
            if let Ok(address) = Address::parse(&text) {
                let _ = address.fill(&token_transfer(1));
            }
        }
    }
}
