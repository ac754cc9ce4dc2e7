//! HTTP headers that are kept in a file: what a service wants to know this seat by.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

/// A line is not a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {0} is no header: write \"Name: value\"")]
pub struct HeaderError(pub usize);

/// Headers, one a line; empty lines and those that begin with `#` do not count. What they say does not show in logs.
///
/// # Errors
/// A line is not a header.
pub(crate) fn parse(text: &str) -> Result<HeaderMap, HeaderError> {
    let mut headers = HeaderMap::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let header = line.split_once(':').and_then(|(name, value)| {
            let name = HeaderName::from_bytes(name.trim_end().as_bytes()).ok()?;
            Some((name, HeaderValue::from_str(value.trim()).ok()?))
        });
        let (name, mut value) = header.ok_or(HeaderError(index + 1))?;
        value.set_sensitive(true);
        headers.append(name, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_and_never_shown() {
        let read = parse("# key\nAuthorization: Bearer geheim\r\n\nX-Client : ring: 1\n").unwrap();
        assert_eq!(read.get("authorization").unwrap(), "Bearer geheim");
        assert_eq!(read.get("x-client").unwrap(), "ring: 1");
        assert!(!format!("{read:?}").contains("geheim"));
        assert_eq!(parse("# ours\n\nAuthorization Bearer geheim"), Err(HeaderError(3)));
    }
}
