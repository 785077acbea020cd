"""Mass builds: any number of packages in one step."""
