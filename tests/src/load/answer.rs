//! The head of an answer, and what it says of the rest.

use crate::tally::Failure;

/// More than any server here sends.
const HEADERS: usize = 32;

/// What there is before the body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) status: u16,
    /// Which process answers, if it says so in `x-worker`.
    pub(crate) worker: Option<u32>,
    /// Whether the connection is over after this answer.
    pub(crate) closes: bool,
    pub(crate) body: Body,
    /// How many bytes it was.
    pub(crate) length: usize,
}

/// How the body ends.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Body {
    Length(usize),
    Chunked,
    /// With the connection.
    ToEnd,
}

impl Head {
    /// What the bytes begin with, once it is all there.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Self>, Failure> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        let parsed = response.parse(bytes).map_err(|_| Failure::Malformed)?;
        let httparse::Status::Complete(length) = parsed else {
            return Ok(None);
        };
        let status = response.code.ok_or(Failure::Malformed)?;
        let mut head = Head {
            status,
            worker: None,
            closes: response.version == Some(0),
            body: Body::ToEnd,
            length,
        };
        for header in response.headers.iter() {
            let is = |name: &str| header.name.eq_ignore_ascii_case(name);
            if is("content-length") {
                let length = number(header.value).ok_or(Failure::Malformed)?;
                head.body = Body::Length(length);
            } else if is("transfer-encoding") {
                head.body = Body::Chunked;
            } else if is("connection") {
                head.closes = header.value.eq_ignore_ascii_case(b"close");
            } else if is("x-worker") {
                head.worker = number(header.value);
            }
        }
        if matches!(status, 204 | 304) {
            head.body = Body::Length(0);
        }
        head.closes |= head.body == Body::ToEnd;
        Ok(Some(head))
    }
}

fn number<T: std::str::FromStr>(value: &[u8]) -> Option<T> {
    std::str::from_utf8(value).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> Head {
        Head::parse(text.as_bytes()).unwrap().unwrap()
    }

    #[test]
    fn a_head_says_who_answers_and_how_the_body_ends() {
        let text = "HTTP/1.1 200 OK\r\nX-Worker: 17\r\nContent-Length: 6\r\n\r\nhello\n";
        let expected = Head {
            status: 200,
            worker: Some(17),
            closes: false,
            body: Body::Length(6),
            length: text.len() - 6,
        };
        assert_eq!(head(text), expected);
        let chunked = head("HTTP/1.1 503 Busy\r\ntransfer-encoding: chunked\r\n\r\n");
        assert_eq!((chunked.status, chunked.body), (503, Body::Chunked));
        assert_eq!(head("HTTP/1.1 204 No\r\n\r\n").body, Body::Length(0));
    }

    #[test]
    fn a_connection_is_over_if_it_is_said_or_if_nothing_else_ends_the_body() {
        let closes = |headers: &str| head(&format!("HTTP/1.1 200 OK\r\n{headers}\r\n")).closes;
        assert!(closes("Content-Length: 0\r\nConnection: Close\r\n"));
        assert!(!closes("Content-Length: 0\r\nConnection: keep-alive\r\n"));
        assert!(closes(""));
    }

    #[test]
    fn half_a_head_is_none_yet_and_nonsense_is_malformed() {
        assert_eq!(Head::parse(b"HTTP/1.1 200 OK\r\nCont"), Ok(None));
        assert_eq!(Head::parse(b"SMTP 220\r\n\r\n"), Err(Failure::Malformed));
        let length = b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n";
        assert_eq!(Head::parse(length), Err(Failure::Malformed));
    }
}
