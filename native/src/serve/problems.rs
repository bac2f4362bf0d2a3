//! Descriptions of problems, at the address that a problem's `type` names.

use super::errors::PROBLEM_TYPES;
use axum::extract::Path;
use highwater::error::AppError;
use std::fmt::Write;

/// A problem's code, its meaning, and what to do about it.
struct ProblemDoc {
    code: &'static str,
    text: &'static str,
}

/// All problems that this server returns.
const PROBLEMS: [ProblemDoc; 14] = [
    ProblemDoc {
        code: "invalid_input",
        text: "The request is well-formed, but some of its values are not valid. If `errors` is \
               present, it says what is wrong with each field. Retrying the same request fails \
               again.",
    },
    ProblemDoc {
        code: "malformed_json",
        text: "The body is not valid JSON. `detail` says where the error is. The body may also be \
               nested too deeply: the limit is 128 levels.",
    },
    ProblemDoc {
        code: "not_found",
        text: "There is nothing at this address.",
    },
    ProblemDoc {
        code: "method_not_allowed",
        text: "This address does not support the method. The header Allow lists the supported \
               methods.",
    },
    ProblemDoc {
        code: "too_large",
        text: "The request is larger than the server accepts.",
    },
    ProblemDoc {
        code: "unsupported_media_type",
        text: "The format of the body is not supported: it must be JSON, with the header \
               Content-Type: application/json.",
    },
    ProblemDoc {
        code: "busy",
        text: "The maximum number of runs is in progress. The header Retry-After says when to \
               retry.",
    },
    ProblemDoc {
        code: "timeout",
        text: "The request was not received in time. Sending it again may help.",
    },
    ProblemDoc {
        code: "unavailable",
        text: "Something that the response needs is not available now. Try again later.",
    },
    ProblemDoc {
        code: "forbidden",
        text: "This is not allowed.",
    },
    ProblemDoc {
        code: "misdirected_request",
        text: "The request is for a host name that this server does not serve. `detail` says which \
               name, and how to allow it.",
    },
    ProblemDoc {
        code: "conflict",
        text: "The request conflicts with the current state.",
    },
    ProblemDoc {
        code: "failure",
        text: "The server failed, through no fault of yours, and retrying is not likely to help. \
               The server's log has the details: look for the `id`.",
    },
    ProblemDoc {
        code: "internal_error",
        text: "You found a bug in the server. Its details are in the server's log: look for the \
               `id`. The affected process accepts no more requests and is replaced.",
    },
];

/// `GET /problems/`: lists all problems.
pub(super) async fn list() -> String {
    let mut text = "The problems that this server returns, by code:\n\n".to_owned();
    for ProblemDoc { code, .. } in &PROBLEMS {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{PROBLEM_TYPES}{code}");
    }
    text
}

/// `GET /problems/CODE`: describes one problem.
pub(super) async fn one(Path(code): Path<String>) -> Result<String, AppError> {
    let found = PROBLEMS.iter().find(|problem| problem.code == code);
    let found = found.ok_or_else(|| {
        AppError::not_found(format!("No problem has this code: see {PROBLEM_TYPES}."))
    })?;
    Ok(format!("{}\n\n{}\n", found.code, found.text))
}
