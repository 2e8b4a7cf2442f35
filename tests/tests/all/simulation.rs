//! The simulation itself, through the SDK: what AWS documents, in its words.
