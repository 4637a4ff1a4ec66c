//! What a store said, without what says where it is and who asked.
//!
//! The clients' errors have the URLs of requests, with endpoints and at times signatures in them, and the whole answer of the server, in which some
//! repeat the id of a key or the text that was signed. Messages go into terminals, ledgers and tickets, so only what tells what is wrong is left.

use std::error::Error as StdError;

/// The address that machines ask for credentials where the environment has none.
const INSTANCE_METADATA: &str = "169.254.169.254";
/// The same, of Google.
const GOOGLE_METADATA: &str = "metadata.google.internal";
/// Characters of an answer's message at most.
const MESSAGE_CHARS: usize = 300;

/// Returns what an error of a client says, with the cause that it came from.
pub(super) fn scrubbed(error: &(dyn StdError + 'static)) -> String {
    let text = error.to_string();
    let mut said = without_places(&without_answer(&text));
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    let root = without_places(&without_answer(&cause.to_string()));
    if !root.is_empty() && !said.contains(&root) {
        said = format!("{said}: {root}");
    }
    if text.contains(INSTANCE_METADATA) || text.contains(GOOGLE_METADATA) {
        said += "; the environment has no credentials, and the machine has no identity that could be asked for some";
    }
    said
}

/// Puts the code and the message of an answer in the place of the answer.
fn without_answer(text: &str) -> String {
    let Some(at) = text.find(['<', '{']) else { return text.to_owned() };
    let (before, answer) = text.split_at(at);
    let mut said = before.trim_end().to_owned();
    if let Some(code) = element(answer, "Code") {
        said = format!("{said} {code}");
        // The message's first line: what follows in some has ids of requests and signatures.
        if let Some(message) = element(answer, "Message").and_then(|message| message.lines().next()) {
            said = format!("{said} ({})", message.trim());
        }
    }
    said.trim_end_matches([':', ' ']).to_owned()
}

fn element<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = answer.split_once(&format!("<{name}>"))?;
    let (content, _) = rest.split_once(&format!("</{name}>"))?;
    let end = content.char_indices().nth(MESSAGE_CHARS).map_or(content.len(), |(at, _)| at);
    content.get(..end)
}

/// Leaves out every word that has a URL in it.
fn without_places(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().filter(|word| !word.contains("://")).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        scrubbed(&std::io::Error::other(text.to_owned()))
    }

    #[test]
    fn endpoints_keys_and_signatures_are_left_out() {
        let refused = "Generic S3 error: Error performing PUT http://127.0.0.1:5000/bucket/a.json in 3ms - Server returned non-2xx status code: \
                       403 Forbidden: <?xml version=\"1.0\"?><Error><Code>SignatureDoesNotMatch</Code><Message>The signature does not match\n\
                       what follows</Message><AWSAccessKeyId>AKIA1</AWSAccessKeyId><StringToSign>AWS4 eu-west-7</StringToSign></Error>";
        assert_eq!(
            said(refused),
            "Generic S3 error: Error performing PUT in 3ms - Server returned non-2xx status code: 403 Forbidden: \
             SignatureDoesNotMatch (The signature does not match)"
        );
        assert_eq!(said("denied: {\"error\": \"who@example.test\"}"), "denied");
        assert_eq!(said("error sending request for url (https://a.example/c?sig=x)"), "error sending request for url");
        assert_eq!(said("half <Code>an answer"), "half");
        assert!(said("Error performing PUT http://169.254.169.254/latest/api/token").contains("has no credentials"));
        assert_eq!(said("nothing to hide"), "nothing to hide");
    }

    #[derive(Debug, thiserror::Error)]
    #[error("Generic S3 error: HTTP error for url (http://host:1/x)")]
    struct Sent(#[source] std::io::Error);

    #[test]
    fn the_cause_is_told() {
        let error = Sent(std::io::Error::other("Connection refused"));
        assert_eq!(scrubbed(&error), "Generic S3 error: HTTP error for url: Connection refused");
    }
}
