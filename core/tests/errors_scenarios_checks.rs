//! Each check of `taxonomy` and `handler` can fail.
