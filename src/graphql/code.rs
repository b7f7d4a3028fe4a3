//! The codes of top-level errors, in `extensions.code`. Codes of mutation errors belong to their slices.

/// A code of the API for a request or field without a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiCode {
    /// The HTTP request is malformed.
    BadRequest,
    /// An argument is invalid.
    BadUserInput,
    /// The body is a list of operations.
    BatchNotAllowed,
    /// The body is too large.
    BodyTooLarge,
    /// The document is not on the server's list.
    DocumentNotTrusted,
    /// The operation needs too much work.
    DocumentTooComplex,
    /// The document nests too deeply.
    DocumentTooDeep,
    /// The document is too long.
    DocumentTooLarge,
    /// The coupon has ended.
    Ended,
    /// The caller may not do this.
    Forbidden,
    /// The document has a syntax error.
    GraphqlParseFailed,
    /// The document does not match the schema.
    GraphqlValidationFailed,
    /// The `Host` header names another server.
    HostNotAllowed,
    /// The idempotency key was used with other input.
    IdempotencyMismatch,
    /// An internal error.
    Internal,
    /// The server does not answer introspection.
    IntrospectionDisabled,
    /// Some lines of a file of codes have faults.
    InvalidCodes,
    /// The HTTP method is not allowed.
    MethodNotAllowed,
    /// The client accepts none of the media types.
    NotAcceptable,
    /// The object does not exist, or the viewer may not know that it does.
    NotFound,
    /// The document has several operations.
    OperationNameRequired,
    /// The document has no operation of this name.
    OperationUnknown,
    /// The web page's origin is not allowed.
    OriginNotAllowed,
    /// The server is overloaded.
    Overloaded,
    /// No document has this id.
    PersistedDocumentNotFound,
    /// The document has another hash.
    PersistedQueryHashMismatch,
    /// The server does not know the document with this hash.
    PersistedQueryNotFound,
    /// The caller exceeds a limit.
    RateLimited,
    /// The body did not arrive in time.
    RequestTimeout,
    /// The response is too large.
    ResponseTooLarge,
    /// The object has changed since it was read.
    Stale,
    /// The WebSocket subprotocol is not supported.
    SubprotocolNotAcceptable,
    /// A subscription was sent over plain HTTP.
    SubscriptionNeedsSocket,
    /// The document has too many aliases.
    TooManyAliases,
    /// The document has too many directives.
    TooManyDirectives,
    /// The shop has another transfer in progress.
    TooManyRequests,
    /// The socket has too many subscriptions.
    TooManySubscriptions,
    /// The document has too many tokens.
    TooManyTokens,
    /// The access token is missing or invalid.
    Unauthenticated,
    /// The server cannot do this now.
    Unavailable,
    /// The body has an unsupported media type.
    UnsupportedMediaType,
}

impl ApiCode {
    /// All codes.
    const ALL: [Self; 41] = [
        Self::BadRequest,
        Self::BadUserInput,
        Self::BatchNotAllowed,
        Self::BodyTooLarge,
        Self::DocumentNotTrusted,
        Self::DocumentTooComplex,
        Self::DocumentTooDeep,
        Self::DocumentTooLarge,
        Self::Ended,
        Self::Forbidden,
        Self::GraphqlParseFailed,
        Self::GraphqlValidationFailed,
        Self::HostNotAllowed,
        Self::IdempotencyMismatch,
        Self::Internal,
        Self::IntrospectionDisabled,
        Self::InvalidCodes,
        Self::MethodNotAllowed,
        Self::NotAcceptable,
        Self::NotFound,
        Self::OperationNameRequired,
        Self::OperationUnknown,
        Self::OriginNotAllowed,
        Self::Overloaded,
        Self::PersistedDocumentNotFound,
        Self::PersistedQueryHashMismatch,
        Self::PersistedQueryNotFound,
        Self::RateLimited,
        Self::RequestTimeout,
        Self::ResponseTooLarge,
        Self::Stale,
        Self::SubprotocolNotAcceptable,
        Self::SubscriptionNeedsSocket,
        Self::TooManyAliases,
        Self::TooManyDirectives,
        Self::TooManyRequests,
        Self::TooManySubscriptions,
        Self::TooManyTokens,
        Self::Unauthenticated,
        Self::Unavailable,
        Self::UnsupportedMediaType,
    ];

    /// Returns the code as clients see it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "BAD_REQUEST",
            Self::BadUserInput => "BAD_USER_INPUT",
            Self::BatchNotAllowed => "BATCH_NOT_ALLOWED",
            Self::BodyTooLarge => "BODY_TOO_LARGE",
            Self::DocumentNotTrusted => "DOCUMENT_NOT_TRUSTED",
            Self::DocumentTooComplex => "DOCUMENT_TOO_COMPLEX",
            Self::DocumentTooDeep => "DOCUMENT_TOO_DEEP",
            Self::DocumentTooLarge => "DOCUMENT_TOO_LARGE",
            Self::Ended => "ENDED",
            Self::Forbidden => "FORBIDDEN",
            Self::GraphqlParseFailed => "GRAPHQL_PARSE_FAILED",
            Self::GraphqlValidationFailed => "GRAPHQL_VALIDATION_FAILED",
            Self::HostNotAllowed => "HOST_NOT_ALLOWED",
            Self::IdempotencyMismatch => "IDEMPOTENCY_MISMATCH",
            Self::Internal => "INTERNAL",
            Self::IntrospectionDisabled => "INTROSPECTION_DISABLED",
            Self::InvalidCodes => "INVALID_CODES",
            Self::MethodNotAllowed => "METHOD_NOT_ALLOWED",
            Self::NotAcceptable => "NOT_ACCEPTABLE",
            Self::NotFound => "NOT_FOUND",
            Self::OperationNameRequired => "OPERATION_NAME_REQUIRED",
            Self::OperationUnknown => "OPERATION_UNKNOWN",
            Self::OriginNotAllowed => "ORIGIN_NOT_ALLOWED",
            Self::Overloaded => "OVERLOADED",
            Self::PersistedDocumentNotFound => "PERSISTED_DOCUMENT_NOT_FOUND",
            Self::PersistedQueryHashMismatch => "PERSISTED_QUERY_HASH_MISMATCH",
            Self::PersistedQueryNotFound => "PERSISTED_QUERY_NOT_FOUND",
            Self::RateLimited => "RATE_LIMITED",
            Self::RequestTimeout => "REQUEST_TIMEOUT",
            Self::ResponseTooLarge => "RESPONSE_TOO_LARGE",
            Self::Stale => "STALE",
            Self::SubprotocolNotAcceptable => "SUBPROTOCOL_NOT_ACCEPTABLE",
            Self::SubscriptionNeedsSocket => "SUBSCRIPTION_NEEDS_SOCKET",
            Self::TooManyAliases => "TOO_MANY_ALIASES",
            Self::TooManyDirectives => "TOO_MANY_DIRECTIVES",
            Self::TooManyRequests => "TOO_MANY_REQUESTS",
            Self::TooManySubscriptions => "TOO_MANY_SUBSCRIPTIONS",
            Self::TooManyTokens => "TOO_MANY_TOKENS",
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::Unavailable => "UNAVAILABLE",
            Self::UnsupportedMediaType => "UNSUPPORTED_MEDIA_TYPE",
        }
    }

    /// Returns the code with this text.
    pub fn of(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str() == text)
    }

    /// Returns whether the same request can succeed later.
    pub(super) const fn is_retryable(self) -> bool {
        matches!(self, Self::Overloaded | Self::RateLimited | Self::Unavailable)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_is_found_by_its_text() {
        let texts: BTreeSet<&str> = ApiCode::ALL.into_iter().map(ApiCode::as_str).collect();
        assert_eq!(texts.len(), ApiCode::ALL.len());
        for code in ApiCode::ALL {
            assert_eq!(ApiCode::of(code.as_str()), Some(code));
            // A new variant breaks the build here, and then belongs into `ALL`, too.
            assert!(ApiCode::ALL.contains(&code));
        }
        assert_eq!(ApiCode::of("a client's own word"), None);
    }
}
