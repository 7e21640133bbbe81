"""What a header set becomes for a compiler: a directory, or memory."""
