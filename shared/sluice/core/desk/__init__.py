"""Who of one client's messages may work now. Pure decisions on a page."""
