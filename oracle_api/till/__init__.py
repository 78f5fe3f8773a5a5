"""The till: a page that sells milk, shows the code to pay and says when it is paid."""
