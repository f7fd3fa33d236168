"""The servers of docs/examples, as their authors would write them."""
