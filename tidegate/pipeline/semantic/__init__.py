"""The semantic tier within a request: asked after the exact cache missed, and before the upstream is called."""
