package proxy

// Limits lets a test change the limits.
func (c *Config) Limits() *limits {
	if c.limits == nil {
		c.limits = defaultLimits()
	}
	return c.limits
}
