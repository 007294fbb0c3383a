use std::error::Error as _;

use howdah_proto::transport::root_cause;
use object_store::Error;

/// What a store that runs on a machine without credentials asks for some.
const METADATA_SERVERS: [&str; 4] =
    ["169.254.169.254", "169.254.170.2", "metadata.google.internal", "metadata/instance"];
/// What errors say of a server that is out of order or asks for patience, when it was asked often enough.
const IMPATIENT: [&str; 3] = ["status code: 5", "status code: 408", "status code: 429"];
/// How much of what a server says is passed on.
const MOST_CHARACTERS: usize = 400;

/// Why a store did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It said no: there is no such object, or it may not be seen.
    Denied(String),
    /// It gave no answer, or not a whole one, however often it was asked: it may do so later, or to others.
    Unanswered(String),
}

impl Refusal {
    /// Tells what an error means for whoever asked.
    pub fn of(error: &Error) -> Self {
        let reason = match error {
            Error::NotFound { .. } => "it isn't there".to_owned(),
            Error::PermissionDenied { .. } => format!("access is denied: {}", root_cause(error)),
            Error::Unauthenticated { .. } => format!("credentials are wanted: {}", root_cause(error)),
            other => told(other),
        };
        let reason = shortened(&reason);
        if is_unanswered(error) { Self::Unanswered(reason) } else { Self::Denied(reason) }
    }

    /// Gives the reason alone.
    pub fn reason(self) -> String {
        match self {
            Self::Denied(reason) | Self::Unanswered(reason) => reason,
        }
    }
}

/// What failed, and the innermost cause of it.
fn told(error: &Error) -> String {
    let (text, cause) = (error.to_string(), root_cause(error));
    let text = if text.contains(&cause) { text } else { format!("{text}: {cause}") };
    if METADATA_SERVERS.iter().any(|server| text.contains(server)) {
        return format!("the environment has no credentials, and this machine gives none: {text}");
    }
    text
}

/// One line, and not too long a one: servers answer with pages.
fn shortened(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MOST_CHARACTERS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// Whether no answer came, or one that says to ask later.
fn is_unanswered(error: &Error) -> bool {
    let mut cause = error.source();
    while let Some(inner) = cause {
        #[cfg(feature = "tls")]
        if inner.is::<object_store::client::HttpError>() {
            return true;
        }
        cause = inner.source();
    }
    let text = error.to_string();
    IMPATIENT.iter().any(|status| text.contains(status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_becomes_one_short_line() {
        let page = format!("<html>\n  no\n{}", "x".repeat(1000));
        let error = Error::Generic { store: "HTTP", source: page.into() };
        let Refusal::Denied(reason) = Refusal::of(&error) else { panic!("{error}") };
        assert!(reason.starts_with("Generic HTTP error: <html> no xxx") && reason.ends_with('…'), "{reason}");
        assert_eq!(reason.chars().count(), MOST_CHARACTERS + 1);
    }

    #[test]
    fn a_machine_without_credentials_is_told_so() {
        let source = "Error performing PUT http://169.254.169.254/latest/api/token".into();
        let reason = Refusal::of(&Error::Generic { store: "S3", source }).reason();
        assert!(reason.starts_with("the environment has no credentials"), "{reason}");
    }

    #[test]
    fn a_server_that_is_out_of_order_is_told_from_one_that_says_no() {
        for (status, unanswered) in
            [("503 Service Unavailable", true), ("429 Slow Down", true), ("400", false)]
        {
            let source = format!("Server returned non-2xx status code: {status}").into();
            let refusal = Refusal::of(&Error::Generic { store: "S3", source });
            assert_eq!(matches!(refusal, Refusal::Unanswered(_)), unanswered, "{refusal:?}");
        }
    }

    #[test]
    fn what_is_not_there_is_said_plainly() {
        let error = Error::NotFound { path: "a".to_owned(), source: "404".into() };
        assert_eq!(Refusal::of(&error), Refusal::Denied("it isn't there".to_owned()));
    }
}
