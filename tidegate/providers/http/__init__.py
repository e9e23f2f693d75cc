"""HTTP to providers: Tidegate's own client over llhttp's parser, and a library's for what goes through a proxy."""
