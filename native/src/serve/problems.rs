//! What a problem means: the page that its `type` names.

use super::errors::PROBLEM_TYPES;
use axum::extract::Path;
use highwater::error::AppError;
use std::fmt::Write;

/// A code, what it means and what to do about it.
struct ProblemDoc {
    code: &'static str,
    text: &'static str,
}

/// Of all problems that this server may answer with.
const PROBLEMS: [ProblemDoc; 14] = [
    ProblemDoc {
        code: "invalid_input",
        text: "The request could be read, but not all of it can be done. Where `errors` is there, \
               it says of each field what is wrong with it. The same request will fail again.",
    },
    ProblemDoc {
        code: "malformed_json",
        text: "The body is no JSON. `detail` says where it stops being some. It may also be nested \
               too deeply: 128 levels are read.",
    },
    ProblemDoc {
        code: "not_found",
        text: "There is nothing at this address.",
    },
    ProblemDoc {
        code: "method_not_allowed",
        text: "There is something at this address, but not for this method. The header Allow names \
               those that there are.",
    },
    ProblemDoc {
        code: "too_large",
        text: "The request is larger than this server reads.",
    },
    ProblemDoc {
        code: "unsupported_media_type",
        text: "The body is in a format that is not read here: it has to be JSON, and the header \
               Content-Type has to say application/json.",
    },
    ProblemDoc {
        code: "busy",
        text: "As many runs are in progress as there may be at once. The header Retry-After says \
               when to come back.",
    },
    ProblemDoc {
        code: "timeout",
        text: "The request did not come whole in time. Sending it again may help.",
    },
    ProblemDoc {
        code: "unavailable",
        text: "Something that is needed to answer is not available for now. Try again later.",
    },
    ProblemDoc {
        code: "forbidden",
        text: "This is not allowed.",
    },
    ProblemDoc {
        code: "misdirected_request",
        text: "The request is for a host name that this server is not to answer. `detail` says \
               which, and how to allow it.",
    },
    ProblemDoc {
        code: "conflict",
        text: "The request does not fit what is there now.",
    },
    ProblemDoc {
        code: "failure",
        text: "Something failed that is not your fault and is not likely to pass. The server's log \
               says more about it: look for the `id`.",
    },
    ProblemDoc {
        code: "internal_error",
        text: "The server has a bug, and you found it. Nothing more is told of it here; the \
               server's log says more: look for the `id`. The process that had it takes no more \
               requests and is replaced.",
    },
];

/// `GET /problems/`: all that there are.
pub(super) async fn list() -> String {
    let mut text = "What may go wrong here, by the code of the problem:\n\n".to_owned();
    for ProblemDoc { code, .. } in &PROBLEMS {
        // A string takes everything.
        let _always = writeln!(text, "{PROBLEM_TYPES}{code}");
    }
    text
}

/// `GET /problems/CODE`: what one means.
pub(super) async fn one(Path(code): Path<String>) -> Result<String, AppError> {
    let found = PROBLEMS.iter().find(|problem| problem.code == code);
    let found = found.ok_or_else(|| {
        AppError::not_found(format!("No problem has that code: see {PROBLEM_TYPES}."))
    })?;
    Ok(format!("{}\n\n{}\n", found.code, found.text))
}
