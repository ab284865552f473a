//! Why a call was refused, with the code that JavaScript sees.

#![forbid(unsafe_code)]

use std::fmt;

/// The error codes of meterseal that the core uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// An argument of the wrong shape.
    BadArgument,
    /// Not a key, or one that was destroyed.
    BadKey,
    /// More than one call takes.
    TooLarge,
    /// The system gave no randomness or no memory; no code of meterseal, so JavaScript reports the addon as failed.
    System,
}

impl AsRef<str> for Code {
    fn as_ref(&self) -> &str {
        match self {
            Code::BadArgument => "bad-argument",
            Code::BadKey => "bad-key",
            Code::TooLarge => "too-large",
            Code::System => "system",
        }
    }
}

/// A refused call: a stable code, and the second half of the sentence "couldn't …: …".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What programs rely on.
    pub code: Code,
    /// What a person reads.
    pub message: String,
}

impl Refusal {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}
