//! Where a payment can stand, and what is asked of the provider there.

/// Where a payment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The order, its stock or its payment method is not known yet. Nothing was asked of the provider.
    Awaiting,
    /// The provider is asked to set the money aside.
    Authorizing,
    /// The money is set aside.
    Authorized,
    /// The provider would not set it aside.
    Failed,
    /// The provider is asked to take the money.
    Capturing,
    /// The money is taken.
    Captured,
    /// The provider is asked to free the money.
    Voiding,
    /// The money is free again and was never taken.
    Voided,
    /// The provider is asked to give the money back.
    Refunding,
    /// The money was given back.
    Refunded,
    /// The order ended before anything was asked of the provider.
    Cancelled,
}

/// What the provider can be asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Set the money aside.
    Authorize,
    /// Take what is set aside.
    Capture,
    /// Free what is set aside.
    Cancel,
    /// Give back what was taken.
    Refund,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 11] = [
        Self::Awaiting,
        Self::Authorizing,
        Self::Authorized,
        Self::Failed,
        Self::Capturing,
        Self::Captured,
        Self::Voiding,
        Self::Voided,
        Self::Refunding,
        Self::Refunded,
        Self::Cancelled,
    ];

    /// Its name, over HTTP and in SQL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Awaiting => "AWAITING",
            Self::Authorizing => "AUTHORIZING",
            Self::Authorized => "AUTHORIZED",
            Self::Failed => "FAILED",
            Self::Capturing => "CAPTURING",
            Self::Captured => "CAPTURED",
            Self::Voiding => "VOIDING",
            Self::Voided => "VOIDED",
            Self::Refunding => "REFUNDING",
            Self::Refunded => "REFUNDED",
            Self::Cancelled => "CANCELLED",
        }
    }

    /// What the provider is asked in this state, if it is.
    pub const fn operation(self) -> Option<Operation> {
        match self {
            Self::Authorizing => Some(Operation::Authorize),
            Self::Capturing => Some(Operation::Capture),
            Self::Voiding => Some(Operation::Cancel),
            Self::Refunding => Some(Operation::Refund),
            Self::Awaiting
            | Self::Authorized
            | Self::Failed
            | Self::Captured
            | Self::Voided
            | Self::Refunded
            | Self::Cancelled => None,
        }
    }
}

impl Operation {
    /// Its name, in idempotency keys and figures.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Authorize => "authorize",
            Self::Capture => "capture",
            Self::Cancel => "cancel",
            Self::Refund => "refund",
        }
    }
}
