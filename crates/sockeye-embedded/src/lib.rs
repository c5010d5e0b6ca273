//! sockeye-embedded
