//! Downloads (under construction).
