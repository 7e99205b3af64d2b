"""The parts of the relay benchmark: what is sent, who carries it, and how it is measured."""
