"""Mass builds."""
